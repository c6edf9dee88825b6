import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/**
 * The loader of an app's classes as Android has it: only the main thread finds them.
 *
 * <p>On Android, JNI's FindClass asks the loader of the Java code that called; a thread that Python has made
 * was called by none, and gets the system's loader, which knows the system's classes alone. Here this is the
 * system's loader (java.system.class.loader), and whichdance.classes the folder that it loads from.
 */
public class MainThreadLoader extends ClassLoader {
    private static final Path FOLDER = Paths.get(System.getProperty("whichdance.classes"));
    private static final Thread MAIN = Thread.currentThread();

    public MainThreadLoader(ClassLoader parent) {
        super(parent);
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
        boolean ofTheApp = name.startsWith("ai.") || name.startsWith("org.");
        if (ofTheApp && Thread.currentThread() != MAIN)
            throw new ClassNotFoundException(name + ": this thread has no loader of the app");
        Path file = FOLDER.resolve(name.replace('.', '/') + ".class");
        try (InputStream stream = Files.newInputStream(file)) {
            byte[] code = stream.readAllBytes();
            return defineClass(name, code, 0, code.length);
        } catch (IOException error) {
            throw new ClassNotFoundException(name, error);
        }
    }
}
