package org.kivy.android;

import android.content.Intent;
import java.util.ArrayList;
import java.util.List;

/** The activity; what a user would do in its dialogues is set beforehand. */
public class PythonActivity extends android.content.Context {
    public static PythonActivity mActivity = new PythonActivity();

    public interface PermissionsCallback {
        void onRequestPermissionsResult(int requestCode, String[] permissions, int[] grantResults);
    }

    public interface ActivityResultListener {
        void onActivityResult(int requestCode, int resultCode, Intent data);
    }

    /** What the user answers: "grant", "refuse", or "never" (and don't ask again). */
    public static String answer = "grant";
    /** The document that the user picks; null is the way back. */
    public static String document;
    /** The microphone, and notifications. */
    public static boolean granted, notifies;
    public static List<String> asked = new ArrayList<>();
    public static Intent last;

    private PermissionsCallback permissions;
    private final List<ActivityResultListener> listeners = new ArrayList<>();
    private final android.view.Window window = new android.view.Window();
    private final android.content.res.Resources resources = new android.content.res.Resources();

    @Override
    public int checkSelfPermission(String permission) {
        return (permission.endsWith("RECORD_AUDIO") ? granted : notifies) ? 0 : -1;
    }

    public boolean shouldShowRequestPermissionRationale(String permission) {
        return answer.equals("refuse");
    }

    public void addPermissionsCallback(PermissionsCallback callback) {
        permissions = callback;
    }

    public void requestPermissionsWithRequestCode(String[] names, int requestCode) {
        for (String name : names) asked.add(name);
        boolean yes = answer.equals("grant");
        if (names[0].endsWith("RECORD_AUDIO")) granted = yes;
        else notifies = yes;
        if (permissions != null) permissions.onRequestPermissionsResult(requestCode, names, new int[] {yes ? 0 : -1});
    }

    public void registerActivityResultListener(ActivityResultListener listener) {
        listeners.add(listener);
    }

    @Override
    public void startActivity(Intent intent) {
        last = intent;
    }

    public void startActivityForResult(Intent intent, int requestCode) {
        last = intent;
        Intent result = new Intent("result", android.net.Uri.parse("content:" + document));
        for (ActivityResultListener listener : listeners)
            listener.onActivityResult(requestCode, document == null ? 0 : -1, document == null ? null : result);
    }

    public void runOnUiThread(Runnable action) {
        action.run();
    }

    public android.view.Window getWindow() {
        return window;
    }

    public android.content.res.Resources getResources() {
        return resources;
    }

    public android.content.ContentResolver getContentResolver() {
        return new android.content.ContentResolver();
    }
}
