"""Runs in an environment of its own: passages and queries come in as JSON, the best passages' places go out."""

import json
import sys
import time

import bm25s
import Stemmer


def main() -> None:
    given = json.load(sys.stdin)
    stemmer = Stemmer.Stemmer("english")
    began = time.perf_counter()
    index = bm25s.BM25()
    index.index(
        bm25s.tokenize(given["passages"], stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False
    )
    built_s = time.perf_counter() - began
    found, query_ms = [], []
    for query in given["queries"]:
        began = time.perf_counter()
        tokens = bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False)
        places, scores = index.retrieve(tokens, k=given["limit"], show_progress=False)
        query_ms.append((time.perf_counter() - began) * 1000)
        found.append([int(at) for at, score in zip(places[0], scores[0], strict=True) if score > 0])
    json.dump({"found": found, "built_s": built_s, "query_ms": query_ms}, sys.stdout)


if __name__ == "__main__":
    main()
