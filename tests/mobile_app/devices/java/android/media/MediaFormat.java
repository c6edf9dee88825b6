package android.media;

import java.util.Map;

public class MediaFormat {
    private final Map<String, Object> fields;

    MediaFormat(Map<String, Object> fields) {
        this.fields = fields;
    }

    public String getString(String key) {
        return (String) fields.get(key);
    }

    public int getInteger(String key) {
        return (Integer) fields.get(key);
    }

    public long getLong(String key) {
        return (Long) fields.get(key);
    }

    public boolean containsKey(String key) {
        return fields.containsKey(key);
    }
}
