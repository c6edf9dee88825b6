package android.content;

import java.util.HashMap;
import java.util.Map;

public class Intent {
    public static final String ACTION_SEND = "android.intent.action.SEND";
    public static final String ACTION_CREATE_DOCUMENT = "android.intent.action.CREATE_DOCUMENT";
    public static final String ACTION_OPEN_DOCUMENT = "android.intent.action.OPEN_DOCUMENT";
    public static final String CATEGORY_OPENABLE = "android.intent.category.OPENABLE";
    public static final String EXTRA_TEXT = "android.intent.extra.TEXT";
    public static final String EXTRA_TITLE = "android.intent.extra.TITLE";

    public String action, type;
    public android.net.Uri data;
    public Intent inner;
    public final Map<String, String> extras = new HashMap<>();

    public static final int FLAG_ACTIVITY_NEW_TASK = 0x10000000;
    public Class<?> target;

    public Intent(Context context, Class<?> target) {
        this.target = target;
    }

    public Intent setAction(String action) {
        this.action = action;
        return this;
    }

    public String getAction() {
        return action;
    }

    public Intent addFlags(int flags) {
        return this;
    }

    public Intent(String action) {
        this.action = action;
    }

    public Intent(String action, android.net.Uri data) {
        this.action = action;
        this.data = data;
    }

    public Intent setType(String type) {
        this.type = type;
        return this;
    }

    public Intent addCategory(String category) {
        return this;
    }

    public Intent putExtra(String key, String value) {
        extras.put(key, value);
        return this;
    }

    public Intent putExtra(String key, int value) {
        throw new IllegalArgumentException("not a text");
    }

    public android.net.Uri getData() {
        return data;
    }

    public static Intent createChooser(Intent inner, CharSequence title) {
        Intent chooser = new Intent("android.intent.action.CHOOSER");
        chooser.inner = inner;
        return chooser;
    }
}
