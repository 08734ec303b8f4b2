"""Gemma 2 in plain torch, small enough to read, with the tensor names of transformers.

Only what training needs: whole sequences, no cache. Several conversations share a row;
`segments` keeps them from seeing each other.

Source: transformers/models/gemma2/modeling_gemma2.py (same logits, see export.py --verify).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Config:
    """The shape of the model, in the words of config.json."""

    vocab_size: int = 1024
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    query_pre_attn_scalar: int = 64
    sliding_window: int = 128
    max_position_embeddings: int = 1024
    attn_logit_softcapping: float = 50.0
    final_logit_softcapping: float = 30.0
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    initializer_range: float = 0.02


class RMSNorm(nn.Module):
    """Scale to unit root mean square; the weight is stored as a distance from one."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [..., hidden_size] in float32."""
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * (1.0 + self.weight)


def softcap(x: Tensor, cap: float) -> Tensor:
    """Squeeze logits into (-cap, cap)."""
    return torch.tanh(x / cap) * cap


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (i, i + head_dim / 2) of `x` [..., num_tokens, head_dim] by its angle."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-high, low), dim=-1) * sin


class Attention(nn.Module):
    """Grouped-query attention with a soft cap on its logits."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        queries = config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Mix [batch, num_tokens, hidden_size] along the tokens that the mask allows."""
        batch, num_tokens, _ = x.shape
        c = self.config
        groups = c.num_attention_heads // c.num_key_value_heads

        def heads(projected: Tensor) -> Tensor:
            return projected.view(batch, num_tokens, -1, c.head_dim).transpose(1, 2)

        q = rotate(heads(self.q_proj(x)), cos, sin) * c.query_pre_attn_scalar**-0.5
        k = rotate(heads(self.k_proj(x)), cos, sin).repeat_interleave(groups, dim=1)
        v = heads(self.v_proj(x)).repeat_interleave(groups, dim=1)
        scores = softcap(q @ k.transpose(-1, -2), c.attn_logit_softcapping)
        weights = functional.softmax(scores + mask, dim=-1)
        mixed = weights.to(v.dtype) @ v  # [batch, heads, num_tokens, head_dim]
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, num_tokens, -1))


class FeedForward(nn.Module):
    """Gated feed-forward block: down(gelu(gate(x)) * up(x))."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each state [..., hidden_size] on its own."""
        gate = functional.gelu(self.gate_proj(x), approximate="tanh")
        return self.down_proj(gate * self.up_proj(x))


class Layer(nn.Module):
    """One decoder layer: Gemma 2 normalises before and after both of its halves."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        size, eps = config.hidden_size, config.rms_norm_eps
        self.input_layernorm = RMSNorm(size, eps)
        self.post_attention_layernorm = RMSNorm(size, eps)
        self.pre_feedforward_layernorm = RMSNorm(size, eps)
        self.post_feedforward_layernorm = RMSNorm(size, eps)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Add what attention and the feed-forward block find to `x`."""
        attended = self.self_attn(self.input_layernorm(x), mask, cos, sin)
        x = x + self.post_attention_layernorm(attended)
        return x + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(x)))


class Decoder(nn.Module):
    """Embedding, layers and the last norm: what transformers keeps under `model.`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, token_ids: Tensor, segments: Tensor) -> Tensor:
        """Map [batch, num_tokens] ids to [batch, num_tokens, hidden_size] final states."""
        num_tokens = token_ids.shape[1]
        cos, sin = rope_table(num_tokens, self.config)
        everything, nearby = attention_masks(segments, self.config.sliding_window)
        x = self.embed_tokens(token_ids) * self.config.hidden_size**0.5
        for i, layer in enumerate(self.layers):
            x = layer(x, nearby if i % 2 == 0 else everything, cos, sin)
        return self.norm(x)


class Pebble(nn.Module):
    """The whole model; the embedding is also the output matrix."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        for name, weight in self.named_parameters():
            if not name.endswith("norm.weight"):
                nn.init.normal_(weight, std=config.initializer_range)

    def logits(self, states: Tensor) -> Tensor:
        """Score every piece of the vocabulary after each state [..., hidden_size]."""
        scores = functional.linear(states, self.model.embed_tokens.weight).float()
        return softcap(scores, self.config.final_logit_softcapping)


def rope_table(num_tokens: int, config: Config) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each [num_tokens, head_dim]."""
    exponent = torch.arange(0, config.head_dim, 2) / config.head_dim
    angles = torch.outer(torch.arange(num_tokens).float(), config.rope_theta**-exponent)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def attention_masks(segments: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Build the additive masks [batch, 1, num_tokens, num_tokens]: all earlier, and nearby only."""
    place = torch.arange(segments.shape[1])
    distance = place[:, None] - place[None, :]
    same = segments[:, :, None] == segments[:, None, :]
    everything = same & (distance >= 0)
    nearby = everything & (distance < window)

    def additive(allowed: Tensor) -> Tensor:
        return torch.where(allowed, 0.0, -1e9)[:, None]

    return additive(everything), additive(nearby)
