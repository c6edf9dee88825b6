package ai.onnxruntime;

/** A class of the library that the app never asks for. */
public enum OrtProvider {
    CPU,
    NNAPI
}
