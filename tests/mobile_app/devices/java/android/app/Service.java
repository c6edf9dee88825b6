package android.app;

import android.content.Context;
import android.content.Intent;

public abstract class Service extends Context {
    public static final int START_NOT_STICKY = 2;
    public static int foregroundType;
    public boolean stopped;

    public int onStartCommand(Intent intent, int flags, int startId) {
        return 1;
    }

    public void onDestroy() {}

    public abstract android.os.IBinder onBind(Intent intent);

    public final void startForeground(int id, Notification notification) {
        startForeground(id, notification, 0);
    }

    public final void startForeground(int id, Notification notification, int type) {
        foregroundType = type;
        NotificationManager.last = notification;
    }

    public final void stopSelf() {
        stopped = true;
        NotificationManager.last = null;
    }
}
