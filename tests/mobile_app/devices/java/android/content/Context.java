package android.content;

/** What an app can ask of the system, which here is this process. */
public class Context {
    public static final String NOTIFICATION_SERVICE = "notification";
    /** Is an activity of the app in front? Android refuses to start a foreground service where none is. */
    public static boolean inFront = true;
    public static android.app.Service running;

    public void startForegroundService(Intent intent) {
        if (!inFront) throw new IllegalStateException("ForegroundServiceStartNotAllowedException");
        android.app.Framework.start(intent, true);
    }

    public void startService(Intent intent) {
        android.app.Framework.start(intent, false);
    }

    public boolean stopService(Intent intent) {
        return android.app.Framework.stop();
    }

    public int checkSelfPermission(String permission) {
        return android.app.Framework.microphone ? 0 : -1;
    }

    public void startActivity(Intent intent) {}

    public android.content.pm.PackageManager getPackageManager() {
        return new android.content.pm.PackageManager();
    }

    public String getPackageName() {
        return "org.whichdance.whichdance";
    }

    public Context getApplicationContext() {
        return this;
    }

    public Object getSystemService(String name) {
        if (name.equals("audio")) return new android.media.AudioManager();
        if (name.equals("notification")) return new android.app.NotificationManager();
        return new android.os.Vibrator();
    }
}
