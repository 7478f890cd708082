// Maps a file, cuts it, and sums the bytes it reads.
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import static java.nio.file.StandardOpenOption.*;

class Loses {
    public static void main(String[] arguments) throws Exception {
        try (FileChannel file = FileChannel.open(Path.of(arguments[0]), READ, WRITE)) {
            MappedByteBuffer bytes = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
            file.truncate(4096);
            long sum = 0;
            for (int i = 0; i < bytes.limit(); i++)
                sum += bytes.get(i);
            System.out.println(sum);
        }
    }
}
