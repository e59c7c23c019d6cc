// Checks a log directory with the transparency log library of the Go project, which shares nothing
// with this one: the signed note, the root out of the entries and out of the tiles, the inclusion
// of every entry (of a large log, of the first and last of each bundle), and consistency with every older checkpoint that the directory keeps.
//
// Needs the Debian packages golang-go and golang-golang-x-mod-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run tests/tlog/main.go LOGDIR VKEYFILE
//
// Exit codes: 0 all holds, 1 something does not, 2 for other arguments.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// What C2SP tlog-tiles fixes.
const (
	height = 8
	width  = 1 << height
)

// tiles reads hash tiles from a directory laid out as tlog-tiles says.
type tiles struct{ root string }

func (t tiles) Height() int                     { return height }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tiles) path(tile tlog.Tile) (full, own string) {
	own = strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
	own = strings.Replace(own, "tile/data/", "tile/entries/", 1)
	full = own
	if at := strings.Index(own, ".p/"); at >= 0 {
		full = own[:at]
	}
	return filepath.Join(t.root, full), filepath.Join(t.root, own)
}

// read takes the full file where the partial one is gone, as the specification allows.
func (t tiles) read(tile tlog.Tile) ([]byte, error) {
	full, own := t.path(tile)
	data, err := os.ReadFile(own)
	if os.IsNotExist(err) {
		data, err = os.ReadFile(full)
	}
	return data, err
}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := t.read(tile)
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s is short", tile.Path())
		}
		all = append(all, data[:tile.W*tlog.HashSize])
	}
	return all, nil
}

// entries gives those of one bundle, which must hold exactly as many.
func (t tiles) entries(bundle, count int64) ([][]byte, error) {
	data, err := t.read(tlog.Tile{H: height, L: -1, N: bundle, W: int(count)})
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for int64(len(found)) < count {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d ends early", bundle)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		found, data = append(found, data[2:end]), data[end:]
	}
	return found, nil
}

func open(path string, verifier note.Verifier) (tree tlog.Tree, err error) {
	signed, err := os.ReadFile(path)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tree, fmt.Errorf("%s: %v", path, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tree, fmt.Errorf("%s is no checkpoint of %s", path, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tree, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, fmt.Errorf("%s has no root", path)
	}
	tree.N = size
	copy(tree.Hash[:], root)
	return tree, nil
}

// store is a tree built anew from the entries.
type store []tlog.Hash

func (s store) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, s[index])
	}
	return found, nil
}

func check(root, vkeyFile string) error {
	vkey, err := os.ReadFile(vkeyFile)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return err
	}
	head, err := open(filepath.Join(root, "checkpoint"), verifier)
	if err != nil {
		return err
	}
	files := tiles{root}
	hashes := tlog.TileHashReader(head, files)
	var rebuilt store
	for first := int64(0); first < head.N; first += width {
		count := head.N - first
		if count > width {
			count = width
		}
		entries, err := files.entries(first/width, count)
		if err != nil {
			return err
		}
		for at, entry := range entries {
			index := first + int64(at)
			more, err := tlog.StoredHashes(index, entry, rebuilt)
			if err != nil {
				return err
			}
			rebuilt = append(rebuilt, more...)
			// Each proof hashes whole tiles anew: of a large log the ends of bundles will do.
			if head.N > 16*width && at != 0 && at != len(entries)-1 {
				continue
			}
			proof, err := tlog.ProveRecord(head.N, index, hashes)
			if err != nil {
				return fmt.Errorf("entry %d: %v", index, err)
			}
			leaf := tlog.RecordHash(entry)
			if err := tlog.CheckRecord(proof, head.N, head.Hash, index, leaf); err != nil {
				return fmt.Errorf("entry %d: %v", index, err)
			}
		}
	}
	computed, err := tlog.TreeHash(head.N, rebuilt)
	if err != nil {
		return err
	}
	if computed != head.Hash {
		return fmt.Errorf("the entries have the root %v, the checkpoint %v", computed, head.Hash)
	}
	kept, err := filepath.Glob(filepath.Join(root, "checkpoints", "*"))
	if err != nil {
		return err
	}
	for _, path := range kept {
		old, err := open(path, verifier)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(head.N, old.N, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, head.N, head.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("%s: %v", path, err)
		}
	}
	fmt.Printf("%d entries and %d checkpoints hold under the root %v\n", head.N, len(kept), head.Hash)
	return nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: main LOGDIR VKEYFILE")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
