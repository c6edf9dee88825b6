package android.content;

public class ComponentName {
    public final Class<?> target;

    public ComponentName(Context context, Class<?> target) {
        this.target = target;
    }
}
