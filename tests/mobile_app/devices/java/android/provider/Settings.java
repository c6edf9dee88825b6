package android.provider;

import android.content.ContentResolver;

public class Settings {
    public static final String ACTION_APPLICATION_DETAILS_SETTINGS =
        "android.settings.APPLICATION_DETAILS_SETTINGS";

    public static class Global {
        public static float animatorScale = 1;

        public static float getFloat(ContentResolver resolver, String name, float otherwise) {
            return name.equals("animator_duration_scale") ? animatorScale : otherwise;
        }
    }
}
