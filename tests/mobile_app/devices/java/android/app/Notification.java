package android.app;

import android.content.Context;
import java.util.ArrayList;
import java.util.List;

public class Notification {
    public String title, text;
    public int icon;
    public final List<Action> actions = new ArrayList<>();

    public static class Action {
        public final CharSequence title;
        public final PendingIntent intent;

        Action(CharSequence title, PendingIntent intent) {
            this.title = title;
            this.intent = intent;
        }

        public static class Builder {
            private final Action action;

            public Builder(Object icon, CharSequence title, PendingIntent intent) {
                action = new Action(title, intent);
            }

            public Action build() {
                return action;
            }
        }
    }

    public static class Builder {
        private final Notification made = new Notification();

        public Builder(Context context) {}

        public Builder(Context context, String channel) {
            if (!channel.equals(NotificationManager.channel))
                throw new IllegalArgumentException("no channel " + channel);
        }

        public Builder setContentTitle(CharSequence title) {
            made.title = title.toString();
            return this;
        }

        public Builder setContentText(CharSequence text) {
            made.text = text.toString();
            return this;
        }

        public Builder setSmallIcon(int icon) {
            made.icon = icon;
            return this;
        }

        public Builder setContentIntent(PendingIntent intent) {
            return this;
        }

        public Builder setOngoing(boolean on) {
            return this;
        }

        public Builder setOnlyAlertOnce(boolean on) {
            return this;
        }

        public Builder addAction(Action action) {
            made.actions.add(action);
            return this;
        }

        public Notification build() {
            return made;
        }
    }
}
