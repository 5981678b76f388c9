// Command treesize prints the largest directories below a path.
//
//	treesize [-n 20] [-depth 3] [path]
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path"
	"slices"
	"strings"
)

type usage struct {
	dir   string
	bytes int64
	files int
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("treesize: ")

	limit := flag.Int("n", 20, "show at most `count` directories")
	depth := flag.Int("depth", 3, "fold deeper directories into their ancestor")
	flag.Parse()

	root := "."
	if flag.NArg() > 0 {
		root = flag.Arg(0)
	}

	usages, err := measure(os.DirFS(root), *depth)
	if err != nil {
		log.Fatal(err)
	}
	if err := printLargest(os.Stdout, usages, *limit); err != nil {
		log.Fatal(err)
	}
}

// measure adds the size of every regular file to its directory and to all
// directories above it. Unreadable entries are reported and skipped.
//
// TODO: count a file with several hard links only once.
func measure(fsys fs.FS, depth int) ([]usage, error) {
	byDir := map[string]*usage{}

	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			log.Print(err)
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			log.Print(err)
			return nil
		}
		for _, dir := range ancestors(name, depth) {
			u := byDir[dir]
			if u == nil {
				u = &usage{dir: dir}
				byDir[dir] = u
			}
			u.bytes += info.Size()
			u.files++
		}
		return nil
	})

	usages := make([]usage, 0, len(byDir))
	for _, u := range byDir {
		usages = append(usages, *u)
	}
	return usages, err
}

// ancestors lists the directories containing name, from "." down to depth.
func ancestors(name string, depth int) []string {
	dirs := []string{"."}
	parent := path.Dir(name)
	if parent == "." {
		return dirs
	}
	parts := strings.Split(parent, "/")
	for i := 1; i <= min(depth, len(parts)); i++ {
		dirs = append(dirs, path.Join(parts[:i]...))
	}
	return dirs
}

func printLargest(w io.Writer, usages []usage, limit int) error {
	slices.SortFunc(usages, func(a, b usage) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.dir, b.dir))
	})
	for _, u := range usages[:min(limit, len(usages))] {
		if _, err := fmt.Fprintf(w, "%10s %7d  %s\n", humanize(u.bytes), u.files, u.dir); err != nil {
			return err
		}
	}
	return nil
}

func humanize(bytes int64) string {
	const units = "KMGTPE"
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
