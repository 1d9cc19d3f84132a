"""The peers that Python packages bring, on the vectors of prepare.py, one thread.

    pip install numpy faiss-cpu usearch
    python peers.py BASE.f32 QUERIES.f32 DIM
"""

import sys
import tempfile
import time
import os

import faiss
import numpy as np
from usearch.index import Index

K, ROUNDS, ADDED = 10, 10, 31


def timed(work):
    start = time.perf_counter()
    result = work()
    return (time.perf_counter() - start) * 1e3, result


def flat(base):
    index = faiss.IndexScalarQuantizer(base.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    index.train(base)
    index.add(base)
    return lambda q: index.search(q, K)[1][0], lambda v: index.add(v), lambda path: faiss.write_index(index, path)


def hnsw(base):
    index = faiss.IndexHNSWFlat(base.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.add(base)
    index.hnsw.efSearch = 96
    return lambda q: index.search(q, K)[1][0], lambda v: index.add(v), lambda path: faiss.write_index(index, path)


def usearch(base):
    index = Index(ndim=base.shape[1], metric="cos", dtype="bf16", expansion_search=96)
    index.add(np.arange(len(base)), base, threads=1)
    return lambda q: index.search(q[0], K, threads=1).keys, lambda v: index.add(len(index), v[0]), index.save


def main(base, queries, dim):
    faiss.omp_set_num_threads(1)
    base = np.fromfile(base, np.float32).reshape(-1, int(dim))
    queries = np.fromfile(queries, np.float32).reshape(-1, 1, int(dim))
    expected = [set(np.argpartition(base @ q[0], -K)[-K:].tolist()) for q in queries]
    peers = []
    for name, make in [("faiss flat SQ8", flat), ("faiss HNSW", hnsw), ("usearch bf16", usearch)]:
        build, made = timed(lambda: make(base))
        peers.append((name, build / 1e3, made, []))
    found = [0] * len(peers)
    for round in range(ROUNDS):
        for at, (_, _, (search, _, _), times) in enumerate(peers):
            for q, right in zip(queries, expected):
                ms, ids = timed(lambda: search(q))
                if round:
                    times.append(ms)
                else:
                    found[at] += len(right.intersection(int(i) for i in ids))
    print("| | recall@10 | p50 ms | p99 ms | build s | +1 ms, not durable | file MB |")
    print("|---|---|---|---|---|---|---|")
    for (name, build, (_, add, save), times), hits in zip(peers, found):
        one = np.median([timed(lambda: add(base[i * 7 : i * 7 + 1]))[0] for i in range(ADDED)])
        with tempfile.TemporaryDirectory() as folder:
            save(os.path.join(folder, "index"))
            size = os.path.getsize(os.path.join(folder, "index")) / 1e6
        p50, p99 = np.quantile(times, [0.5, 0.99])
        print(f"| {name} | {hits / K / len(queries):.4f} | {p50:.3f} | {p99:.3f} | {build:.1f} | {one:.2f} | {size:.0f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
