// Package expect holds captures to what is expected of them: the files behind
// 'finwait check --expect'.
//
//	YAML -> Parse -> File -> NewChecker -> Add (each connection) -> Close -> problems
//
// Read schema.go for what a file may say, check.go and rules.go for how it is
// held against a connection, write.go for how a file is made from today's
// captures. decode.go turns YAML into the structs and knows where each value
// stands.
package expect
