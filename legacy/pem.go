//go:build cgo

package openssl

import "bytes"

// SplitPEM returns the PEM blocks in data, each from its BEGIN line to its END line without the line break after it. What
// stands between the blocks is left out. The results share data's memory. Lines may end in \n or \r\n.
func SplitPEM(data []byte) [][]byte {
	var blocks [][]byte
	begin := -1
	for at := 0; at < len(data); {
		end, next := len(data), len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end, next = at+i, at+i+1
		}
		line := bytes.TrimSuffix(data[at:end], []byte{'\r'})
		if begin < 0 && isBoundary(line, "BEGIN") {
			begin = at
		} else if begin >= 0 && isBoundary(line, "END") {
			last := at + len(line)
			blocks = append(blocks, data[begin:last:last])
			begin = -1
		}
		at = next
	}
	return blocks
}

// isBoundary reports whether line is -----WORD … -----.
func isBoundary(line []byte, word string) bool {
	const dashes = "-----"
	if !bytes.HasPrefix(line, []byte(dashes)) {
		return false
	}
	rest := bytes.TrimLeft(line[len(dashes):], "- \t")
	return bytes.HasPrefix(rest, []byte(word)) && bytes.HasSuffix(rest[len(word):], []byte(dashes))
}
