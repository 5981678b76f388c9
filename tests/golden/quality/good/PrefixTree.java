package text.index;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/**
 * A sorted map from strings to values that answers prefix queries.
 *
 * <p>Keys are compared by UTF-16 code unit. The tree is not safe for use by
 * several threads without external synchronisation.
 *
 * @param <V> type of the stored values, never {@code null}
 */
public final class PrefixTree<V> {

    private static final class Node<V> {
        private final TreeMap<Character, Node<V>> children = new TreeMap<>();
        private V value;

        boolean isRedundant() {
            return value == null && children.isEmpty();
        }
    }

    private final Node<V> root = new Node<>();
    private int size;

    public int size() {
        return size;
    }

    /**
     * Associates {@code value} with {@code key}.
     *
     * @return the previous value, if there was one
     */
    public Optional<V> put(String key, V value) {
        Objects.requireNonNull(value, "value");
        Node<V> node = root;
        for (char c : key.toCharArray()) {
            node = node.children.computeIfAbsent(c, unused -> new Node<>());
        }
        V previous = node.value;
        node.value = value;
        if (previous == null) {
            size++;
        }
        return Optional.ofNullable(previous);
    }

    public Optional<V> get(String key) {
        return find(key).map(node -> node.value);
    }

    /**
     * Removes {@code key} and prunes branches that no longer lead anywhere.
     *
     * @throws NoSuchElementException if the key is not present
     */
    public void remove(String key) {
        if (get(key).isEmpty()) {
            throw new NoSuchElementException(key);
        }
        remove(root, key, 0);
        size--;
    }

    /** Returns up to {@code limit} keys that start with {@code prefix}, in order. */
    public List<String> complete(String prefix, int limit) {
        List<String> keys = new ArrayList<>();
        find(prefix).ifPresent(start -> collect(start, new StringBuilder(prefix), limit, keys));
        return keys;
    }

    /** Returns the longest stored key that is a prefix of {@code text}. */
    public Optional<String> longestPrefixOf(String text) {
        Node<V> node = root;
        int longest = root.value == null ? -1 : 0;
        for (int i = 0; i < text.length(); i++) {
            node = node.children.get(text.charAt(i));
            if (node == null) {
                break;
            }
            if (node.value != null) {
                longest = i + 1;
            }
        }
        return longest < 0 ? Optional.empty() : Optional.of(text.substring(0, longest));
    }

    public void forEach(BiConsumer<String, V> action) {
        visit(root, new StringBuilder(), action);
    }

    private Optional<Node<V>> find(String key) {
        Node<V> node = root;
        for (int i = 0; i < key.length() && node != null; i++) {
            node = node.children.get(key.charAt(i));
        }
        return Optional.ofNullable(node);
    }

    private void remove(Node<V> node, String key, int depth) {
        if (depth == key.length()) {
            node.value = null;
            return;
        }
        char step = key.charAt(depth);
        Node<V> child = node.children.get(step);
        remove(child, key, depth + 1);
        if (child.isRedundant()) {
            node.children.remove(step);
        }
    }

    private void collect(Node<V> node, StringBuilder path, int limit, List<String> keys) {
        if (keys.size() >= limit) {
            return;
        }
        if (node.value != null) {
            keys.add(path.toString());
        }
        for (Map.Entry<Character, Node<V>> edge : node.children.entrySet()) {
            path.append(edge.getKey());
            collect(edge.getValue(), path, limit, keys);
            path.setLength(path.length() - 1);
        }
    }

    private void visit(Node<V> node, StringBuilder path, BiConsumer<String, V> action) {
        if (node.value != null) {
            action.accept(path.toString(), node.value);
        }
        node.children.forEach((step, child) -> {
            path.append(step);
            visit(child, path, action);
            path.setLength(path.length() - 1);
        });
    }
}
