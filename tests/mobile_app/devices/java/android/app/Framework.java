package android.app;

import android.content.Context;
import android.content.Intent;
import android.os.Build;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * The system's side of a service, as Android's documents have it: commands arrive later, on the main thread,
 * and whoever asked for a foreground service owes a call of startForeground.
 */
public class Framework {
    /** Do commands wait until `run`? On a phone they always do; else they arrive at once. */
    public static boolean later;
    /** May the app use the microphone, as the system sees it when the service comes up? */
    public static boolean microphone = true;
    /** What would have ended the app. */
    public static final List<String> crashes = new ArrayList<>();

    private static final Deque<Runnable> queue = new ArrayDeque<>();
    private static Service service;
    private static boolean owed;
    private static int newest;
    static boolean foreground;

    public static void reset() {
        queue.clear();
        crashes.clear();
        service = null;
        Context.running = null;
        owed = foreground = later = false;
        microphone = true;
        NotificationManager.last = null;
    }

    public static synchronized void start(Intent intent, boolean mustComeUp) {
        int id = ++newest;
        if (mustComeUp) owed = true;
        post(() -> deliver(intent, id));
    }

    private static void deliver(Intent intent, int id) {
        if (service == null) {
            try {
                service = (Service) intent.target.getDeclaredConstructor().newInstance();
            } catch (ReflectiveOperationException error) {
                throw new IllegalStateException(error);
            }
            Context.running = service;
        }
        service.onStartCommand(intent, 0, id);
    }

    /** Is there a service, or one on its way? */
    public static synchronized boolean stop() {
        if (service == null && queue.isEmpty()) return false;
        if (owed) crashes.add("Context.startForegroundService() did not then call Service.startForeground()");
        Service gone = service;
        service = null;
        Context.running = null;
        owed = foreground = false;
        queue.clear();
        NotificationManager.last = null;
        if (gone != null) post(gone::onDestroy);
        return true;
    }

    static synchronized boolean stop(Service asking, int id) {
        if (id != newest || asking != service) return false; // a newer start is on its way
        return stop();
    }

    static synchronized void comeUp(Service asking, Notification notification, int type) {
        if (asking == service) owed = false; // paid, whatever comes of it
        if (Build.VERSION.SDK_INT >= 34 && !microphone)
            throw new SecurityException("type microphone requires android.permission.RECORD_AUDIO");
        if (Build.VERSION.SDK_INT >= 34 && !Context.inFront)
            throw new SecurityException("the app must be in the eligible state to use the microphone");
        foreground = true;
        Service.foregroundType = type;
        NotificationManager.last = notification;
    }

    /** What has been asked for arrives. */
    public static void run() {
        Runnable next;
        while ((next = poll()) != null) next.run();
    }

    private static synchronized Runnable poll() {
        return queue.poll();
    }

    /** Some seconds go by, after which Android looks whether all debts are paid. */
    public static void settle() {
        run();
        if (owed) crashes.add("ForegroundServiceDidNotStartInTimeException");
        owed = false;
    }

    public static boolean isForeground() {
        return foreground;
    }

    /** The user swipes the app away. */
    public static void swipe() {
        if (service != null) service.onTaskRemoved(null);
    }

    private static void post(Runnable action) {
        if (later) queue.add(action);
        else action.run();
    }
}
