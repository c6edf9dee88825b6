"""Which benchmarks there are, in the order of the page."""

# Sub-command, a module of this package → what it measures, and its options.
BENCHMARKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "frontend": (
        "mel spectrogram against librosa and against the FFT alone",
        ("seconds", "sample-rates", "runs"),
    ),
    "model": (
        "onnxruntime, float and int8, against torch, per network",
        ("architectures", "batch-sizes", "runs"),
    ),
    "endtoend": (
        "a file to an answer, against decoding alone and against librosa with torch",
        ("seconds", "formats", "model", "files", "runs"),
    ),
    "coldstart": ("the command in a fresh process, against bare imports", ("recording", "model", "runs")),
    "live": ("latency, CPU share and memory of listening", ("seconds", "model", "threads")),
    "beats": ("share of a core that following beats takes", ("seconds",)),
    "memory": ("peak memory for short and long recordings", ("minutes", "model", "runs")),
    "web": (
        "the page in a browser against the runtime in Python: start, work, memory",
        ("seconds", "model", "runs", "pyodide"),
    ),
    "phone": (
        "the page on a bad connection, while it listens, and with long files",
        ("seconds", "model", "page", "minutes", "runs"),
    ),
    "training": (
        "images per second of the training loop, per network",
        ("architectures", "batches", "batch-size"),
    ),
    "steps": (
        "segments per second of training steps: the rhythmogram's trunks, compiled, larger batches",
        ("batches", "batch-sizes"),
    ),
    "speedup": (
        "segments per second in halls, against another commit",
        ("against", "batches", "runs"),
    ),
    "stress": (
        "accuracy against noise, length, stride, sampling rate and codec",
        ("manifest", "model", "noise"),
    ),
}
REQUIRED = ("manifest", "against")
