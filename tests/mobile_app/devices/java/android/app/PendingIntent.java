package android.app;

import android.content.Context;
import android.content.Intent;

public class PendingIntent {
    public static final int FLAG_IMMUTABLE = 1 << 26;
    private final Context context;
    private final Intent intent;
    private final boolean service;

    private PendingIntent(Context context, Intent intent, int flags, boolean service) {
        if ((flags & FLAG_IMMUTABLE) == 0) throw new IllegalArgumentException("mutability must be specified");
        this.context = context;
        this.intent = intent;
        this.service = service;
    }

    public static PendingIntent getActivity(Context context, int request, Intent intent, int flags) {
        return new PendingIntent(context, intent, flags, false);
    }

    public static PendingIntent getService(Context context, int request, Intent intent, int flags) {
        return new PendingIntent(context, intent, flags, true);
    }

    /** What the user's finger does. */
    public void send() {
        if (service) context.startService(intent);
        else context.startActivity(intent);
    }
}
