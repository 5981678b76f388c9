import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Finds a shortest chain of words in which neighbours differ by one letter. */
public class WordLadder {

    private final Map<String, List<String>> wordsByPattern;

    WordLadder(Iterable<String> dictionary, int length) {
        wordsByPattern = new HashMap<>();
        for (String word : dictionary) {
            if (word.length() == length) {
                for (String pattern : patternsOf(word)) {
                    wordsByPattern.computeIfAbsent(pattern, p -> new ArrayList<>()).add(word);
                }
            }
        }
    }

    /** Breadth-first search; returns an empty list when no ladder exists. */
    List<String> climb(String from, String to) {
        Map<String, String> cameFrom = new HashMap<>();
        Deque<String> frontier = new ArrayDeque<>();
        cameFrom.put(from, null);
        frontier.add(from);

        while (!frontier.isEmpty()) {
            String word = frontier.remove();
            if (word.equals(to)) {
                return unwind(cameFrom, to);
            }
            for (String neighbour : neighboursOf(word)) {
                if (!cameFrom.containsKey(neighbour)) {
                    cameFrom.put(neighbour, word);
                    frontier.add(neighbour);
                }
            }
        }
        return List.of();
    }

    private List<String> neighboursOf(String word) {
        List<String> neighbours = new ArrayList<>();
        for (String pattern : patternsOf(word)) {
            neighbours.addAll(wordsByPattern.getOrDefault(pattern, List.of()));
        }
        return neighbours;
    }

    /** "cat" becomes "_at", "c_t" and "ca_". */
    private static List<String> patternsOf(String word) {
        List<String> patterns = new ArrayList<>(word.length());
        for (int i = 0; i < word.length(); i++) {
            patterns.add(word.substring(0, i) + '_' + word.substring(i + 1));
        }
        return patterns;
    }

    private static List<String> unwind(Map<String, String> cameFrom, String last) {
        LinkedList<String> ladder = new LinkedList<>();
        for (String word = last; word != null; word = cameFrom.get(word)) {
            ladder.addFirst(word);
        }
        return Collections.unmodifiableList(ladder);
    }

    private static List<String> readDictionary(Path file) throws IOException {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.map(line -> line.strip().toLowerCase(Locale.ROOT))
                    .distinct()
                    .collect(Collectors.toList());
        }
    }

    public static void main(String[] args) throws IOException {
        if (args.length != 3) {
            System.err.println("usage: WordLadder DICTIONARY FROM TO");
            System.exit(2);
        }
        String from = args[1].toLowerCase(Locale.ROOT);
        String to = args[2].toLowerCase(Locale.ROOT);
        if (from.length() != to.length()) {
            System.err.println("both words must have the same length");
            System.exit(2);
        }

        WordLadder ladder = new WordLadder(readDictionary(Path.of(args[0])), from.length());
        List<String> steps = ladder.climb(from, to);
        if (steps.isEmpty()) {
            System.out.println("no ladder");
            System.exit(1);
        }
        System.out.println(String.join(" -> ", steps));
    }
}
