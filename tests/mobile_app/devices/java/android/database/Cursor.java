package android.database;

/** One row. */
public class Cursor {
    private final String[] columns;
    private final String name;
    public static int open;

    public Cursor(String[] columns, String name) {
        this.columns = columns;
        this.name = name;
        open++;
    }

    public boolean moveToFirst() {
        return !name.isEmpty();
    }

    public String getString(int column) {
        return columns[column].equals("_display_name") ? name : null;
    }

    public void close() {
        open--;
    }
}
