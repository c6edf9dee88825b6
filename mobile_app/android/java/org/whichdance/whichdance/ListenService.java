package org.whichdance.whichdance;

import android.app.Notification;
import android.app.NotificationChannel;
import android.app.NotificationManager;
import android.app.PendingIntent;
import android.app.Service;
import android.content.Context;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.content.pm.ServiceInfo;
import android.os.Build;
import android.os.IBinder;
import android.util.Log;

/**
 * Says that the app listens while it is not in front, and lets it be stopped.
 *
 * <p>The listening itself is done by the app's own threads, in the same process: a foreground service keeps
 * Android from ending them and from taking the microphone away. It must be started while the app is in front
 * (Android 14: "while-in-use" permissions).
 *
 * <p>Whoever calls startForegroundService owes a call of startForeground: Android ends the whole app where the
 * service is stopped before it. So nothing here stops a service that has not come up yet; it comes up, pays,
 * and then sees that nobody wants it any more.
 */
public class ListenService extends Service {
    /** Told when the user presses the button of the notification, or swipes the app away. */
    public interface Listener {
        void stopped();
    }

    private static final String CHANNEL = "listening", STOP = "org.whichdance.whichdance.STOP";
    private static final String RECORD_AUDIO = "android.permission.RECORD_AUDIO";
    private static final int NOTIFICATION = 1;

    private static Listener listener;
    private static String title = "", text = "", stop = "";
    private static boolean wanted; // from start to end, whether it has come up yet or not
    private static ListenService running; // in the foreground
    private int newest; // id of the newest start that has arrived

    /** Start, from an activity that is in front; false where Android does not allow it. */
    public static synchronized boolean start(
            Context context, String title, String text, String stop, Listener listener) {
        if (Build.VERSION.SDK_INT >= 34
            && context.checkSelfPermission(RECORD_AUDIO) != PackageManager.PERMISSION_GRANTED)
            return false; // startForeground would be refused, and it would be too late to go back
        ListenService.title = title;
        ListenService.text = text;
        ListenService.stop = stop;
        ListenService.listener = listener;
        wanted = true;
        Intent intent = new Intent(context, ListenService.class);
        try {
            if (Build.VERSION.SDK_INT >= 26) context.startForegroundService(intent);
            else context.startService(intent);
        } catch (IllegalStateException | SecurityException error) {
            Log.w("whichdance", "no listening in the background", error);
            wanted = false;
        }
        return wanted;
    }

    /** May the app go on while it is not in front? */
    public static synchronized boolean runs() {
        return wanted;
    }

    /** Change what the notification says; from any thread. */
    public static synchronized void tell(String title, String text) {
        ListenService.title = title;
        ListenService.text = text;
        if (running != null) running.manager().notify(NOTIFICATION, running.notification());
    }

    /** Listening is over; from any thread. */
    public static synchronized void end() {
        wanted = false;
        listener = null;
        if (running != null) running.quit();
    }

    @Override
    public int onStartCommand(Intent intent, int flags, int startId) {
        boolean pressed = intent != null && STOP.equals(intent.getAction());
        synchronized (ListenService.class) {
            newest = startId;
            if (!pressed) comeUp();
        }
        if (pressed) over();
        return START_NOT_STICKY; // killed with the process: the app itself has saved what it heard
    }

    @Override
    public void onTaskRemoved(Intent intent) {
        over();
    }

    @Override
    public void onDestroy() {
        synchronized (ListenService.class) {
            if (running == this) running = null;
        }
        super.onDestroy();
    }

    @Override
    public IBinder onBind(Intent intent) {
        return null;
    }

    private void comeUp() {
        try {
            if (Build.VERSION.SDK_INT >= 30)
                startForeground(NOTIFICATION, notification(), ServiceInfo.FOREGROUND_SERVICE_TYPE_MICROPHONE);
            else startForeground(NOTIFICATION, notification());
        } catch (IllegalStateException | SecurityException error) {
            // The permission was taken away, or the app went to the background, between start and now.
            Log.w("whichdance", "the service may not come up", error);
            wanted = false;
        }
        running = this;
        if (!wanted) quit();
    }

    /** The user has had enough. */
    private void over() {
        Listener told;
        synchronized (ListenService.class) {
            told = listener;
            listener = null;
            wanted = false;
            quit();
        }
        if (told != null) told.stopped(); // outside the lock: it may take a while, and call end
    }

    private void quit() {
        if (running == this) running = null;
        stopForeground(true);
        stopSelfResult(newest); // not where a newer start is on its way: that one still has to come up
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
            .setSmallIcon(R.drawable.ic_microphone)
            .setContentIntent(opens)
            .setOngoing(true)
            .setOnlyAlertOnce(true)
            .addAction(new Notification.Action.Builder(null, stop, stops).build())
            .build();
    }
}
