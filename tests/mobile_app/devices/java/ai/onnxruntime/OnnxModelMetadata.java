package ai.onnxruntime;

import java.util.Map;

public class OnnxModelMetadata {
    private final Map<String, String> fields;

    OnnxModelMetadata(Map<String, String> fields) {
        this.fields = fields;
    }

    public Map<String, String> getCustomMetadata() {
        return fields;
    }
}
