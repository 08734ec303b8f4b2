/*! webgemma, Apache-2.0 */

/** The chat page: finds the site's models, loads one, and lets people talk to it. */

/** @import { Manifest } from "../webgemma/types.d.ts" */
/** @import { Conversation } from "./conversations.js" */
/** @import { Lexer } from "./markdown.js" */

import "./start-worker.js";
import "./compact.js";
import {
  DownloadError,
  Engine,
  UnsupportedError,
  estimateMemory,
  fetchManifest,
  persistStorage,
} from "../webgemma/index.js";
import { Asks } from "./asks.js";
import { loadBranding, showLogo, windowTitle } from "./branding.js";
import { Chat } from "./chat.js";
import { ChatList } from "./chat-list.js";
import { Chats } from "./chats.js";
import { Composer } from "./composer.js";
import { watchDiagnostics } from "./diagnostics.js";
import { byId, element } from "./dom.js";
import { formatBytes, formatUse } from "./format.js";
import { gallery } from "./gallery.js";
import { firstModel, keepChoice } from "./model-choice.js";
import { bringUpToDate, keepPage, leavePage } from "./offline.js";
import { errorPanel, note } from "./panel.js";
import { PictureInput } from "./picture-input.js";
import { readPlace, writePlace } from "./place.js";
import { readQuery } from "./query.js";
import { Settings } from "./settings.js";
import { watchStored } from "./stored.js";
import { Welcome, suggestions } from "./welcome.js";

const ASK_FROM_NBYTES = 50e6; // larger models are loaded when somebody says so
const OLD_PAGE =
  "this page is older than the models of its site. Close its other tabs and try again; if that " +
  "does not help, the site is being uploaded: try again later.";
const MARKED = new URL("../vendor/marked.js", import.meta.url).href;

const query = readQuery(location.search);
const loadOptions = { variant: query.variant, contextWindowSize: query.context };
const place = new URL("./", location.href).pathname; // other sites may share the origin
const settings = new Settings(query, `webgemma settings ${place}`);
const index = fetchIndex();
index.catch(() => {}); // `start` says it
const [branding, chats] = await Promise.all([
  loadBranding(),
  Chats.open(`webgemma chats ${place}`),
]);
const welcome = new Welcome(byId("welcome", HTMLElement), branding);
const panel = byId("panel", HTMLDivElement);
const select = byId("model-select", HTMLSelectElement);
const newChat = byId("new-chat", HTMLButtonElement);
const settingsButton = byId("settings-button", HTMLButtonElement);
const chatsNav = byId("chats", HTMLElement);
const chatsButton = byId("chats-button", HTMLButtonElement);
const contextUsed = byId("context-used", HTMLElement);
/** @type {Chat | null} */
let chat = null;
let told = ""; // what was said of the store of chats
/** @type {Manifest | null} of the model that is shown */
let shown = null;
let choices = 0; // how often a model was chosen: what is under way for an earlier one is let go
/** @type {AbortController | null} ends the load that is under way */
let loading = null;

const pictures = new PictureInput(() => {
  composer.update();
  tidyPictures();
});
const composer = new Composer({
  isComplete: () => !chat?.pictures || chat.pictures.require() !== null,
  send: (text) => chat?.send(text),
  stop: () => chat?.stop(),
  isBusy: () => chat?.isBusy ?? false,
});
const asks = new Asks({
  ask: (prompt) => composer.ask(prompt),
  begin: (prompt) => composer.begin(prompt),
});
const chatList = new ChatList({
  open: (conversation) => openConversation(conversation),
  rename: (conversation, title) => chats.rename(conversation, title),
  remove: (conversation) => {
    chats.remove(conversation);
    if (chat?.conversation.id === conversation.id) chat.begin();
  },
  restore: (conversation) => chats.restore(conversation),
  exported: () => chats.export(),
  read: (name, text) => chats.import(name, text),
});
chats.onChange = () => {
  const { id, updated } = chat?.conversation ?? {};
  const stored = chats.list.find((one) => one.id === id);
  // Another tab went on with the chat that is open here.
  if (stored && !chat?.isBusy && stored.updated > Number(updated)) chat?.open(stored);
  else showChats();
};
settings.onSystem = (text) => {
  if (!chat) return;
  chat.conversation.system = text;
  if (chat.messages.length) chat.keep(chat.conversation);
};
newChat.addEventListener("click", () => {
  chat?.begin();
  composer.input.focus();
});
select.addEventListener("change", () => {
  keepChoice(select.value);
  open(select.value);
});

/**
 * Read the list of models and open one of them.
 * @param {ReturnType<typeof fetchIndex>} index
 */
async function start(index) {
  try {
    const found = await index;
    if (!found) return; // the page gives way to what is at this address now
    const { models, shell } = found;
    const { id, unknown } = firstModel(models, query.model);
    const manifest = fetchManifest(modelUrl(id)); // while the page's version is compared
    manifest.catch(() => {}); // `open` says it
    const page = await bringUpToDate(shell);
    if (page === "reloading") return;
    if (page === "blocked") throw new DownloadError(OLD_PAGE);
    select.replaceChildren(...models.map(({ id, name }) => element("option", { value: id }, name)));
    select.hidden = models.length < 2;
    byId("model-name", HTMLElement).hidden = models.length > 1 && !branding.title;
    select.value = id;
    await open(id, manifest);
    if (unknown)
      panel.prepend(note(`This site has no model "${unknown}", which its address names.`));
  } catch (error) {
    showError(error, () => start(fetchIndex()));
  }
}

/**
 * The models of this site, and the version of the page that came with them.
 * @returns {Promise<{models: {id: string, name: string}[], shell?: string} | null>}
 */
async function fetchIndex() {
  const response = await fetch("./models/index.json", { cache: "no-cache" }).catch((cause) => {
    throw new DownloadError("models/index.json: the server could not be reached. Try again.", {
      cause,
    });
  });
  const isJson = response.headers.get("content-type")?.includes("json");
  const index = response.ok && isJson ? await response.json() : { models: [] };
  if (index.models.length) return index;
  const isGone = response.status === 404 || (response.ok && !isJson);
  if (isGone && (await leavePage())) return null;
  throw new DownloadError(
    `models/index.json: got no models (status ${response.status}), expected at least one. ` +
      `Upload the whole site folder again.`,
  );
}

/**
 * Show a model, and load it if it is small.
 * @param {string} id
 * @param {Promise<Manifest>} [fetched] its manifest, where it is on its way
 */
async function open(id, fetched) {
  const choice = ++choices;
  loading?.abort();
  loading = null;
  await unload();
  panel.replaceChildren();
  try {
    const manifest = await (fetched ?? fetchManifest(modelUrl(id)));
    if (choice !== choices) return;
    shown = manifest;
    describe(manifest);
    chatsNav.hidden = chatsButton.hidden = manifest.image !== undefined;
    checkChats(manifest);
    welcome.expect(manifest, estimateMemory(modelUrl(id), loadOptions));
    welcome.show(true);
    if (manifest.weights.nbytes < ASK_FROM_NBYTES) await load(manifest);
    else offer(manifest);
  } catch (error) {
    if (choice === choices) showError(error, () => open(id));
  }
}

/**
 * @param {string} id
 * @returns {URL} of the model's folder
 */
function modelUrl(id) {
  return new URL(`./models/${encodeURIComponent(id)}/`, location.href);
}

/**
 * Say that a model does not chat before anybody waits for its download.
 * @param {Manifest} manifest
 */
function checkChats(manifest) {
  if (manifest.chat || manifest.image) return;
  throw new UnsupportedError(
    `${manifest.name} has no chat template: it continues text and does not chat. ` +
      `Build it from an instruction-tuned checkpoint, or with --chat-template.`,
  );
}

/**
 * Ask before a large download.
 * @param {Manifest} manifest
 */
function offer(manifest) {
  composer.close();
  welcome.offer(manifest, () => load(manifest));
}

/** @param {Manifest} manifest */
function describe(manifest) {
  document.title = windowTitle(branding, manifest.name);
  byId("model-name", HTMLElement).textContent = branding.title ?? manifest.name;
  const isNamed = branding.title !== undefined && select.hidden;
  const size = (isNamed ? `${manifest.name} · ` : "") + formatBytes(manifest.weights.nbytes);
  byId("model-note", HTMLElement).replaceChildren(
    element("span", { className: "when-wide" }, `${size} · runs on your device, nothing is sent`),
    element("span", { className: "when-narrow" }, `${size} · on your device`),
  );
}

/**
 * Load a model and open the chat.
 * @param {Manifest} manifest
 */
async function load(manifest) {
  const controller = new AbortController();
  loading = controller;
  panel.replaceChildren();
  welcome.show(true);
  const isLarge = manifest.weights.nbytes >= ASK_FROM_NBYTES;
  if (isLarge) persistStorage(); // somebody clicked; whatever the browser answers, it loads
  welcome.loading(manifest, isLarge ? () => controller.abort() : undefined);
  composer.prepare(manifest.name);
  pictures.open(manifest.image !== undefined);
  try {
    const [engine, lexer] = await Promise.all([
      Engine.load(modelUrl(manifest.id), {
        ...loadOptions,
        onProgress: (progress) => welcome.progress(progress),
        signal: controller.signal,
      }),
      loadLexer(),
    ]);
    if (controller.signal.aborted) await engine.unload();
    else begin(engine, manifest, lexer);
  } catch (error) {
    if (!controller.signal.aborted) showError(error, () => load(manifest));
    else if (loading === controller) offer(manifest);
  }
}

/**
 * @param {Engine} engine
 * @param {Manifest} manifest
 * @param {Lexer} lexer
 */
function begin(engine, manifest, lexer) {
  const sees = engine.info.has_vision;
  settings.fill(engine.info, manifest);
  settingsButton.hidden = false;
  const keep = (/** @type {Conversation} */ one) => {
    if (!sees) chats.save(one); // those about pictures end with the page
  };
  const current = new Chat({ engine, settings, lexer, pictures: sees ? pictures : null, keep });
  current.onChange = () => {
    if (chat === current) showChat(current); // its last reply may end when another model is shown
  };
  chat = current;
  welcome.invite(
    manifest,
    sees
      ? gallery(manifest, modelUrl(manifest.id), pictures)
      : [suggestions(manifest, branding, (prompt) => current.send(prompt))],
  );
  if (sees) asks.open(manifest);
  if (engine.info.adapter.is_fallback) {
    panel.replaceChildren(
      note("No GPU was found: the model runs in software, on the processor. It works, but slowly."),
    );
  }
  if (engine.info.store.refusal) {
    panel.append(
      note("This browser had no room for all of the model: a part comes anew each time."),
    );
  }
  composer.open(sees ? "Ask about the picture" : `Message ${manifest.name}`);
  const last = sees ? undefined : chats.list.find(({ id }) => id === readPlace());
  if (last) current.open(last);
  else current.onChange();
}

/**
 * Everything beside the messages that depends on them.
 * @param {Chat} current
 */
function showChat(current) {
  const isEmpty = current.messages.length === 0;
  composer.update();
  newChat.hidden = isEmpty;
  welcome.show(isEmpty);
  tidyPictures();
  const { conversation, engine } = current;
  const isKnown = conversation.used_tokens > 0 && conversation.model === engine.info.id;
  contextUsed.hidden = !isKnown || engine.info.has_vision;
  const room = engine.info.context_window_size;
  contextUsed.textContent = `Context: ${formatUse(conversation.used_tokens, room)}`;
  writePlace(isEmpty ? "" : conversation.id);
  showChats();
}

/** Show the list of conversations as it is now, and beside the chat what is wrong with it. */
function showChats() {
  chatList.show(chats.list, chat?.conversation ?? null, chats.trouble);
  if (chats.trouble && chats.trouble !== told && chat) panel.append(note(chats.trouble));
  if (chat) told = chats.trouble;
}

/** @param {Conversation} conversation */
function openConversation(conversation) {
  if (!chat) {
    writePlace(conversation.id);
    chatList.tell("This chat opens when the model is loaded.");
    return;
  }
  if (conversation.id !== chat.conversation.id) chat.open(conversation);
  composer.input.focus();
}

/** Let go the pictures that no message shows. */
function tidyPictures() {
  if (!chat?.messages.length) pictures.tidy();
}

/**
 * Load marked, the markdown lexer, when it is first needed.
 * @returns {Promise<Lexer>}
 */
async function loadLexer() {
  const { Marked } = await import(MARKED);
  const marked = new Marked({ gfm: true });
  return (markdown) => marked.lexer(markdown);
}

/** End the chat there is and free its memory. */
async function unload() {
  const old = chat;
  chat = null;
  composer.close();
  asks.close();
  pictures.open(false);
  newChat.hidden = true;
  settingsButton.hidden = true;
  contextUsed.hidden = true;
  if (old) writePlace(""); // another model begins a new chat
  await old?.close();
}

/**
 * @param {unknown} error
 * @param {() => void} again
 */
function showError(error, again) {
  welcome.show(false);
  composer.close();
  panel.replaceChildren(errorPanel(error, { label: "Try again", run: again }));
}

showLogo(branding);
watchDiagnostics(() => chat?.engine ?? null);
watchStored(() => shown);
showChats();
await start(index);
await keepPage();
