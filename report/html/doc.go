// Package html writes the report that people look at in a browser: one file that
// holds its data, its style and its scripts, and fetches nothing.
//
//	Case ------Check--> detail.go  a connection in full, if it is among the worst so far
//	Lifecycle --Add---> rows.go    one row a connection, written as columns
//	                    series.go  states over time, handshake times
//	           --Close--> page.go  the document: template, data blocks, scripts
//	                      words.go the summary in words
//
// Read writer.go first. The page itself is in assets: page.html.tmpl is the
// frame, with the summary written out, so that it can be read without scripts;
// style.css; and the scripts, which are plain JavaScript in one scope, joined in
// the order of page.go's list. What they show comes from blocks of JSON.
//
// Text from a capture, such as a file name, reaches the page in two ways: through
// html/template, or in a JSON block in which every <, > and & is escaped. The
// scripts put text into text nodes only. A content security policy that names the
// style and the script by their hashes forbids everything else.
//
// Memory is bounded: rows and connections in full are kept in heaps of the worst
// (worst.go), and the page says what it leaves out. The document is a function
// of the capture: no clock, no random order.
package html
