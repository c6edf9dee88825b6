package android.app;

import android.content.Context;
import android.content.Intent;

public abstract class Service extends Context {
    public static final int START_NOT_STICKY = 2;
    public static int foregroundType;

    public int onStartCommand(Intent intent, int flags, int startId) {
        return 1;
    }

    public void onTaskRemoved(Intent intent) {}

    public void onDestroy() {}

    public abstract android.os.IBinder onBind(Intent intent);

    public final void startForeground(int id, Notification notification) {
        startForeground(id, notification, 0);
    }

    public final void startForeground(int id, Notification notification, int type) {
        Framework.comeUp(this, notification, type);
    }

    public final void stopForeground(boolean removeNotification) {
        Framework.foreground = false;
        if (removeNotification) NotificationManager.last = null;
    }

    public final void stopSelf() {
        Framework.stop();
    }

    public final boolean stopSelfResult(int startId) {
        return Framework.stop(this, startId);
    }
}
