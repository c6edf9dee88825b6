package android.content;

/** What an app can ask of the system, which here is this process. */
public class Context {
    public static final String NOTIFICATION_SERVICE = "notification";
    /** Is an activity of the app in front? Android refuses to start a foreground service where none is. */
    public static boolean inFront = true;
    public static android.app.Service running;

    public void startForegroundService(Intent intent) {
        if (!inFront) throw new IllegalStateException("ForegroundServiceStartNotAllowedException");
        startService(intent);
    }

    public void startService(Intent intent) {
        try {
            if (running == null)
                running = (android.app.Service) intent.target.getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
        running.onStartCommand(intent, 0, 1);
        if (running != null && running.stopped) stopService(intent);
    }

    public boolean stopService(Intent intent) {
        if (running != null) running.onDestroy();
        running = null;
        return true;
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
