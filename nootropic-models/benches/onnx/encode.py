"""Times onnxruntime on an encoder, for `cargo bench --bench encode`, which starts it.

    pip install -r requirements.txt

Exports the folder of safetensors that is named to ONNX once, in f32, and quantizes a copy dynamically to int8. Then each line of
standard input, `TOKENS f32|int8`, is answered with texts a second in batches of 32, the mean of positions and its norm included, the
tokenizer not.
"""

import contextlib
import pathlib
import sys
import time

import numpy
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

BATCH = 32
SECONDS = 1.0


class Vectors(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.encoder = transformers.AutoModel.from_pretrained(model, attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state


def export(model, folder):
    exact, small = folder / "f32.onnx", folder / "int8.onnx"
    if not small.exists():
        ids = torch.ones(2, 16, dtype=torch.long)
        shape = {0: torch.export.Dim("batch", max=1024), 1: torch.export.Dim("tokens", max=512)}
        with contextlib.redirect_stdout(sys.stderr):  # the answers go to standard output
            torch.onnx.export(Vectors(model), (ids, ids.clone(), ids * 0), exact, dynamo=True, dynamic_shapes=(shape, shape, shape),
                              input_names=["input_ids", "attention_mask", "token_type_ids"], external_data=False)
        quantize_dynamic(exact, small, weight_type=QuantType.QInt8)
    return {"f32": exact, "int8": small}


def main():
    model, folder, threads = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    sessions = {name: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
                for name, path in export(model, folder).items()}
    print(f"onnxruntime {onnxruntime.__version__}", flush=True)
    for line in sys.stdin:
        tokens, kind = line.split()
        ids = numpy.full((BATCH, int(tokens)), 1996, dtype=numpy.int64)
        inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}

        def run():
            vectors = sessions[kind].run(None, inputs)[0].mean(axis=1)
            return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)

        run()
        begun, times = time.perf_counter(), 0
        while time.perf_counter() - begun < SECONDS:
            run()
            times += 1
        print(BATCH * times / (time.perf_counter() - begun), flush=True)


main()
