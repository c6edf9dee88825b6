package org.whichdance.whichdance;

import android.app.PendingIntent;
import android.content.ComponentName;
import android.content.Context;
import android.content.Intent;
import android.os.Build;
import android.service.quicksettings.Tile;
import android.service.quicksettings.TileService;
import android.util.Log;

/** The tile in the quick settings: shows whether the app listens; opens it, and then it listens at once. */
public class ListenTile extends TileService {
    private static volatile boolean wanted, listening;

    /** Was the tile pressed since this was last asked? */
    public static synchronized boolean take() {
        boolean was = wanted;
        wanted = false;
        return was;
    }

    /** Does the app listen? From any thread. */
    public static void show(Context context, boolean on) {
        listening = on;
        try {
            requestListeningState(context, new ComponentName(context, ListenTile.class));
        } catch (IllegalArgumentException | SecurityException error) {
            Log.i("whichdance", "no tile to change", error); // the user has not put it there
        }
    }

    @Override
    public void onStartListening() {
        Tile tile = getQsTile();
        if (tile == null) return;
        tile.setState(listening ? Tile.STATE_ACTIVE : Tile.STATE_INACTIVE);
        tile.updateTile();
    }

    @Override
    public void onClick() {
        if (isLocked()) unlockAndRun(this::open);
        else open();
    }

    private void open() {
        wanted = true;
        Intent intent = getPackageManager().getLaunchIntentForPackage(getPackageName());
        intent.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
        if (Build.VERSION.SDK_INT >= 34)
            startActivityAndCollapse(PendingIntent.getActivity(this, 0, intent, PendingIntent.FLAG_IMMUTABLE));
        else startActivityAndCollapse(intent);
    }
}
