package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"allocstore/schema"
)

// textOf returns the text of a file, which gzip may have compressed. Content of another known kind is an
// ErrMalformed, which names the right command.
func textOf(in io.Reader) (io.Reader, error) {
	text, err := unzipped(in)
	if err != nil {
		return nil, err
	}
	if advice := adviceFor(headOfText(text)); advice != "" {
		return nil, fmt.Errorf("%w: no JSON, but %s", schema.ErrMalformed, advice)
	}
	return text, nil
}

// unzipped returns the content, or if that is of gzip the decompressed content of all its parts.
func unzipped(in io.Reader) (*bufio.Reader, error) {
	const size = 64 << 10
	content := bufio.NewReaderSize(in, size)
	if !strings.HasPrefix(headOfText(content), "\x1f\x8b") {
		return content, nil
	}
	unzip, err := gzip.NewReader(content)
	return bufio.NewReaderSize(unzip, size), err
}

// headOfText returns the first bytes, headSize at most. It does not wait for a second byte of JSON.
func headOfText(text *bufio.Reader) string {
	head, _ := text.Peek(1)
	if !strings.ContainsAny(string(head), "{[ \t\r\n") {
		head, _ = text.Peek(headSize)
	}
	return string(head)
}

// adviceFor names the kind of content that has these first bytes, and a command for it. It returns "" for a text.
func adviceFor(head string) string {
	switch kindOf([]byte(head)) {
	case storeFile:
		return "a store: export it, or back it up"
	case backupFile:
		return "a backup of a store: restore it"
	}
	for _, known := range []struct{ magic, advice string }{
		{"\x1f\x8b", "compressed twice: zcat FILE | allocctl import"},
		{"\x28\xb5\x2f\xfd", "compressed: zstdcat FILE | allocctl import"},
		{"\xfd7zXZ\x00", "compressed: xzcat FILE | allocctl import"},
		{"BZh", "compressed: bzcat FILE | allocctl import"},
		{"PK\x03\x04", "an archive: unzip -p FILE | allocctl import"},
		{"\xff\xfe", "UTF-16: iconv -f UTF-16 -t UTF-8 FILE | allocctl import"},
		{"\xfe\xff", "UTF-16: iconv -f UTF-16 -t UTF-8 FILE | allocctl import"},
	} {
		if strings.HasPrefix(head, known.magic) {
			return known.advice
		}
	}
	return ""
}
