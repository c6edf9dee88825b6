package android.app;

public class NotificationManager {
    public static final int IMPORTANCE_LOW = 2;
    public static Notification last;
    static String channel;

    public void createNotificationChannel(NotificationChannel made) {
        channel = made.id;
    }

    public void notify(int id, Notification notification) {
        last = notification;
    }
}
