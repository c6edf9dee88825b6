package org.whichdance.whichdance;

import android.app.Notification;
import android.app.NotificationChannel;
import android.app.NotificationManager;
import android.app.PendingIntent;
import android.app.Service;
import android.content.Context;
import android.content.Intent;
import android.content.pm.ServiceInfo;
import android.os.Build;
import android.os.IBinder;

/**
 * Says that the app listens while it is not in front, and lets it be stopped.
 *
 * <p>The listening itself is done by the app's own threads, in the same process: a foreground service keeps
 * Android from ending them and from taking the microphone away. It must be started while the app is in front
 * (Android 14: "while-in-use" permissions).
 */
public class ListenService extends Service {
    /** Told when the user presses the button of the notification. */
    public interface Listener {
        void stopped();
    }

    private static final String CHANNEL = "listening", STOP = "org.whichdance.whichdance.STOP";
    private static final int NOTIFICATION = 1;

    private static volatile Listener listener;
    private static volatile String title = "", text = "", stop = "";
    private static volatile ListenService running;

    /** Start, from an activity that is in front. */
    public static void start(Context context, String title, String text, String stop, Listener listener) {
        ListenService.title = title;
        ListenService.text = text;
        ListenService.stop = stop;
        ListenService.listener = listener;
        Intent intent = new Intent(context, ListenService.class);
        if (Build.VERSION.SDK_INT >= 26) context.startForegroundService(intent);
        else context.startService(intent);
    }

    /** Change what the notification says; from any thread. */
    public static void tell(String title, String text) {
        ListenService.title = title;
        ListenService.text = text;
        ListenService service = running;
        if (service != null) service.manager().notify(NOTIFICATION, service.notification());
    }

    /** Listening is over; from any thread. */
    public static void end(Context context) {
        listener = null;
        context.stopService(new Intent(context, ListenService.class));
    }

    @Override
    public int onStartCommand(Intent intent, int flags, int startId) {
        if (intent != null && STOP.equals(intent.getAction())) {
            Listener told = listener;
            listener = null;
            if (told != null) told.stopped();
            stopSelf();
            return START_NOT_STICKY;
        }
        running = this;
        if (Build.VERSION.SDK_INT >= 30)
            startForeground(NOTIFICATION, notification(), ServiceInfo.FOREGROUND_SERVICE_TYPE_MICROPHONE);
        else startForeground(NOTIFICATION, notification());
        return START_NOT_STICKY; // killed with the process: the app itself has saved what it heard
    }

    @Override
    public void onDestroy() {
        running = null;
        super.onDestroy();
    }

    @Override
    public IBinder onBind(Intent intent) {
        return null;
    }

    private NotificationManager manager() {
        return (NotificationManager) getSystemService(Context.NOTIFICATION_SERVICE);
    }

    private Notification notification() {
        Notification.Builder builder;
        if (Build.VERSION.SDK_INT >= 26) {
            // Low: it makes no sound and does not pop up, whenever the dance changes.
            manager().createNotificationChannel(
                new NotificationChannel(CHANNEL, title, NotificationManager.IMPORTANCE_LOW));
            builder = new Notification.Builder(this, CHANNEL);
        } else {
            builder = new Notification.Builder(this);
        }
        Intent open = getPackageManager().getLaunchIntentForPackage(getPackageName());
        Intent ends = new Intent(this, ListenService.class).setAction(STOP);
        PendingIntent opens = PendingIntent.getActivity(this, 0, open, PendingIntent.FLAG_IMMUTABLE);
        PendingIntent stops = PendingIntent.getService(this, 0, ends, PendingIntent.FLAG_IMMUTABLE);
        return builder
            .setContentTitle(text)
            .setContentText(title)
            .setSmallIcon(android.R.drawable.ic_btn_speak_now)
            .setContentIntent(opens)
            .setOngoing(true)
            .setOnlyAlertOnce(true)
            .addAction(new Notification.Action.Builder(null, stop, stops).build())
            .build();
    }
}
