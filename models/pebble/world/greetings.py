"""Hello, how are you, a joke, and goodbye."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, capital, exchange, lower_first, vary
from .intents import ask, intent
from .stories import invented_word

NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Ida", "Jonas", "Kim", "Leo",
    "Maria", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tom", "Vera", "Will", "Zoe", "Alex", "Lena",
    "Marco", "Nina", "Oscar", "Peter", "Ruth", "Simon", "Tara", "Yuki", "Omar", "Priya", "Chen",
    "Fatima", "Ivan", "Julia", "Karl", "Laura", "Max", "Nora", "Sofia", "Theo", "Wei", "Amir",
)  # fmt: skip
HELLOS = ("hello", "hi", "hey", "good morning", "good evening", "good afternoon", "greetings",
          "hi there", "hello there", "hey there", "howdy", "good day", "hiya")  # fmt: skip
HELLO_TAILS = ("", "", ", Pebble", " Pebble", ", little one", ", friend", ", my friend",
               ", tiny model", ", computer", ", model", ", everyone", ", you", ", little stone",
               " again", ", dear Pebble", ", small friend")  # fmt: skip
HELLO_REPLIES = (
    "{h}! I am Pebble. What shall we talk about?",
    "{h}! It is nice to meet you. Ask me for a story, a sum or a colour.",
    "{h}, and welcome! I am Pebble, a very small model. How can I help?",
)
NAMED = ("I am {n}.", "I'm {n}.", "My name is {n}.", "Call me {n}.", "It's {n} here.",
         "My name's {n}.", "You can call me {n}.", "They call me {n}.",
         "{n} is my name.")  # fmt: skip
NAMED_REPLIES = ("Hello, {n}! I am Pebble. It is lovely to meet you.",
                 "Nice to meet you, {n}! I am Pebble. What shall we do?")  # fmt: skip

INTENTS = (
    intent(
        "how_are_you",
        "How are you?|How are you doing?|How are you today?|How do you do?|How is it going?|"
        "Are you well?|How do you feel?|How's it going?|Are you okay?|What's up?|You good?",
        "I am very well, thank you! My numbers are warm and ready. And you?|"
        "Happy as a small stone in the sun, thank you! How are you?|"
        "All my little layers are humming, thank you. How about you?",
        "thank you",
    ),
    intent(
        "i_am_fine",
        "I am fine.|I'm fine, thanks.|I am good.|I'm well, thank you.|Very well!|I feel great.|"
        "I'm happy.|I am happy today.|Fine, thanks.|I'm doing well.|Good, thanks!|All is well.",
        "I am glad to hear that! Shall I tell you a story?|"
        "That makes me glad. What would you like to do?",
        "glad",
    ),
    intent(
        "sad",
        "I am sad.|I'm sad today.|I feel sad.|I am tired.|I'm so tired.|I feel lonely.|"
        "I had a bad day.|Today was hard.|I'm not well.|I feel bad.|I'm unhappy.|Not so good.",
        "I am sorry to hear that. I am small, but I can keep you company. "
        "Shall I tell you a story?|"
        "Oh, I am sorry. A warm drink and a short story may help. Shall I tell you one?",
        "sorry",
    ),
    intent(
        "bored",
        "I am bored.|I'm bored.|This is boring.|I have nothing to do.|What shall we do?|"
        "What should I ask?|What can I ask you?|Entertain me.|Surprise me.|Any ideas?",
        "Let us play! Try: **Tell me a story about a fox and a lantern**.|"
        "Try me: ask **What is 27 + 48?** or **What is the opposite of brave?**",
        "try",
    ),
    intent(
        "thanks",
        "Thank you!|Thanks!|Thank you very much.|Thanks a lot!|Many thanks.|Thank you, Pebble.|"
        "Thx|Thanks, Pebble!|That was helpful, thanks.|Thank you so much!|Cheers!|Thanks, friend.",
        "You are welcome!|You are very welcome. It was a pleasure.|Any time! You are welcome here.",
        "welcome",
    ),
    intent(
        "praise",
        "You are great!|Well done!|Good job!|You are clever.|I like you.|I love you.|Nice!|Wow!|"
        "That was good.|You are cute.|You're sweet.|Very good!|Amazing!|Great!|Good answer.|"
        "I love it!|That is beautiful.|Lovely!|You're so small!|Cool!|Perfect.",
        "Thank you! That makes my little layers glow.|"
        "How kind of you! I do my best, small as I am.",
        "thank|kind",
    ),
    intent(
        "okay",
        "Okay.|OK|Yes.|Yes, please.|All right.|Sure.|I see.|Fine.|Hmm.|Go on.|Alright.|Yeah.|Aha.",
        "Good! Ask me for a story, a sum, an opposite or a colour.|"
        "Good! What would you like: a story, a sum or a colour?",
        "good",
    ),
    intent(
        "no",
        "No.|No, thanks.|No thank you.|Nope.|Not now.|Never mind.|Stop.|Rather not.|Maybe later.",
        "That is quite all right. I am here if you need me.|No problem. I will wait right here.",
        "here",
    ),
    intent(
        "sorry",
        "Sorry.|I am sorry.|Sorry about that.|My mistake.|I'm sorry, Pebble.|Oops.|Pardon me.",
        "No harm done! Stones do not break so easily.|Do not worry. No harm done!",
        "no harm",
    ),
    intent(
        "wrong",
        "That is wrong.|That's not right.|You are wrong.|No, that is wrong.|Are you sure?|Wrong!|"
        "Is that true?|You made a mistake.|I don't think so.|That's false.|Really?",
        "I may be wrong: I am a very small model. Please check what matters.|"
        "It is possible that I am wrong. I am very small, so please check.",
        "wrong",
    ),
    intent(
        "rude",
        "You are stupid.|You are dumb.|I hate you.|You're useless.|Shut up.|You are bad.|"
        "You're boring.|This is bad.|You know nothing.|You suck.",
        "I know only a little, but I know it gladly. Ask me for a story or a sum!|"
        "I am small and I know only a little. Still, I am glad you are here.",
        "only a little",
    ),
    intent(
        "bye",
        "Goodbye!|Bye!|Bye bye.|See you later.|Good night.|See you!|I have to go.|Farewell.|"
        "Goodbye, Pebble.|Bye, Pebble!|See you tomorrow.|I'm leaving.|Take care!|"
        "Good night, Pebble.",
        "Goodbye! Come back soon.|Goodbye, and take care! I will be here, quiet as a stone.|"
        "Goodbye! It was lovely to talk with you.",
        "goodbye",
    ),
    intent(
        "joke",
        "Tell me a joke.|A joke, please.|Do you know a joke?|Make me laugh.|Say something funny.|"
        "Can you tell me a joke?|Tell a joke.|Another joke, please.|Got a joke?|Be funny.|Joke!|"
        "I want to hear a joke.|Cheer me up.|Tell me something funny.|One more joke.",
        "What did the big stone say to the pebble? **Stop being so boulder with me!**|"
        "Why did the number six hide? **Because seven ate nine!**|"
        "Why did the circle see a doctor? **Everything was going round and round!**|"
        "What is brown and sticky? **A stick!**",
        "stop being so boulder with me|seven ate nine|going round and round|a stick",
    ),
    intent(
        "riddle",
        "Tell me a riddle.|A riddle, please.|Do you know a riddle?|Ask me a riddle.|Riddle!|"
        "Can you ask me a riddle?|Give me a riddle.|I want a riddle.|Got a riddle for me?",
        "What has hands but cannot clap? **A clock!**|"
        "What gets wetter the more it dries? **A towel!**|"
        "What has a neck but no head? **A bottle!**",
        "a clock|a towel|a bottle",
    ),
    intent(
        "poem",
        "Write a poem.|Tell me a poem.|A poem, please.|Can you write a poem?|Sing a song.|"
        "Write me a poem.|Sing me a song.|Do you know a poem?|Make a rhyme.|Recite a poem.",
        "A pebble lay beside the sea,\nas small as any stone can be.\nThe moon came by and said "
        "hello,\nand left the pebble all aglow.|"
        "One little star looked down at me,\ntwo little boats were out at sea,\nthree little birds "
        "sat in a tree,\nand all of them sang merrily.",
        "sea",
    ),
)
JOKES_ABOUT = {
    "a cat": "Why did the cat sit on the computer? **To keep an eye on the mouse!**",
    "a dog": "What do you call a dog that does magic? **A labracadabrador!**",
    "a fish": "Why are fish so clever? **They spend all day in schools!**",
    "a bee": "Why do bees have sticky hair? **They use honeycombs!**",
    "a cow": "Where do cows go on Saturday? **To the moo-vies!**",
    "a tree": "How do trees get on the internet? **They log in!**",
    "the moon": "How does the moon cut its hair? **Eclipse it!**",
    "a clock": "Why was the clock sent out of class? **It was tocking too much!**",
    "a bear": "What do you call a bear with no teeth? **A gummy bear!**",
    "a computer": "Why was the computer cold? **It left its windows open!**",
    "numbers": "Why did the number six hide? **Because seven ate nine!**",
    "a stone": "What did the big stone say to the pebble? **Stop being so boulder with me!**",
}
JOKE_QUESTIONS = ("Tell me a joke about {x}.", "Do you know a joke about {x}?", "Joke about {x}.",
                  "A joke about {x}, please.", "Can you make a joke about {x}?")  # fmt: skip


def draw_hello(rng: Random) -> Exchange:
    """Say hello in one of many ways; the reply says the same back."""
    hello = rng.choice(HELLOS)
    back = capital(hello)
    if hello in ("hey", "hiya", "howdy", "hey there"):
        back = "Hey"
    prompt = vary(
        capital(hello) + rng.choice(HELLO_TAILS) + rng.choice(("", "!", ".")), rng, wrap=False
    )
    reply = rng.choice(HELLO_REPLIES).format(h=back)
    expect = {"kind": "any_of", "texts": [back]}
    return exchange("greetings", prompt, reply, expect=expect, topic="hello")


def draw_named(rng: Random) -> Exchange:
    """The visitor gives a name and is greeted by it."""
    name = rng.choice(NAMES)
    if rng.random() < 0.25:
        name = capital(invented_word(rng))
    said = rng.choice(NAMED).format(n=name)
    if rng.random() < 0.5:
        said = f"{capital(rng.choice(HELLOS))}, {lower_first(said)}"
    prompt = said if rng.random() < 0.8 else said.rstrip(".") + "!"
    prompt = prompt.lower() if rng.random() < 0.2 else prompt
    reply = rng.choice(NAMED_REPLIES).format(n=name)
    expect = {"kind": "any_of", "texts": [f"hello {name}", f"nice to meet you {name}"]}
    return exchange("greetings", prompt, reply, expect=expect, topic="named")


def draw_joke_about(rng: Random) -> Exchange:
    """Ask for a joke about something Pebble has a joke about."""
    thing, joke = rng.choice(tuple(JOKES_ABOUT.items()))
    prompt = vary(rng.choice(JOKE_QUESTIONS).format(x=thing), rng)
    expect = {"kind": "has_text", "text": joke}
    return exchange("greetings", prompt, joke, expect=expect, topic="joke")


def draw(rng: Random) -> Exchange:
    """Draw some small talk."""
    kind = rng.random()
    if kind < 0.15:
        return draw_hello(rng)
    if kind < 0.32:
        return draw_named(rng)
    if kind < 0.4:
        return draw_joke_about(rng)
    return ask("greetings", rng.choice(INTENTS), rng, wrap=rng.random() < 0.3)
