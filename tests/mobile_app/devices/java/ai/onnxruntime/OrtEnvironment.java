package ai.onnxruntime;

public class OrtEnvironment {
    private static final OrtEnvironment ONE = new OrtEnvironment();

    public static OrtEnvironment getEnvironment() {
        return ONE;
    }

    public OrtSession createSession(String path, OrtSession.SessionOptions options) throws OrtException {
        return new OrtSession(path);
    }
}
