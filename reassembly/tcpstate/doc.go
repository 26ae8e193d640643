// Package tcpstate is TCP's state machine as one table: the states and events
// of RFC 9293 sections 3.3.2 and 3.10.7, and what each event does in each state.
// It knows neither packets nor time; package reassembly turns segments into
// events and asks Next.
//
// Read table.go first: every (state, event) cell has a verdict and a reference.
// TABLE.md is generated from it, and a test keeps it true.
//
// RFC 9293 figure 5, which the table follows (appl: the application's call;
// what stands before the line is the event, after it the answer):
//
//	                            +---------+ ---------\      active OPEN
//	                            |  CLOSED |            \    -----------
//	                            +---------+<---------\   \   create TCB
//	                              |     ^              \   \  snd SYN
//	                 passive OPEN |     |   CLOSE        \   \
//	                 ------------ |     | ----------       \   \
//	                  create TCB  |     | delete TCB         \   \
//	                              V     |                      \   \
//	          rcv RST (note 1)  +---------+            CLOSE    |    \
//	       -------------------->|  LISTEN |          ---------- |     |
//	      /                     +---------+          delete TCB |     |
//	     /           rcv SYN      |     |     SEND              |     |
//	    /           -----------   |     |    -------            |     V
//	+--------+      snd SYN,ACK  /       \   snd SYN          +--------+
//	|        |<-----------------           ------------------>|        |
//	|  SYN   |                    rcv SYN                     |  SYN   |
//	|  RCVD  |<-----------------------------------------------|  SENT  |
//	|        |                  snd SYN,ACK                   |        |
//	|        |------------------           -------------------|        |
//	+--------+   rcv ACK of SYN  \       /  rcv SYN,ACK       +--------+
//	   |         --------------   |     |   -----------
//	   |                x         |     |     snd ACK
//	   |                          V     V
//	   |  CLOSE                 +---------+
//	   | -------                |  ESTAB  |
//	   | snd FIN                +---------+
//	   |                 CLOSE    |     |    rcv FIN
//	   V                -------   |     |    -------
//	+---------+         snd FIN  /       \   snd ACK         +---------+
//	|  FIN    |<----------------          ------------------>|  CLOSE  |
//	| WAIT-1  |------------------                            |   WAIT  |
//	+---------+          rcv FIN  \                          +---------+
//	  | rcv ACK of FIN   -------   |                          CLOSE  |
//	  | --------------   snd ACK   |                         ------- |
//	  V        x                   V                         snd FIN V
//	+---------+               +---------+                    +---------+
//	|FINWAIT-2|               | CLOSING |                    | LAST-ACK|
//	+---------+               +---------+                    +---------+
//	  |              rcv ACK of FIN |                 rcv ACK of FIN |
//	  |  rcv FIN     -------------- |    Timeout=2MSL -------------- |
//	  |  -------            x       V    ------------        x       V
//	   \ snd ACK              +---------+delete TCB          +---------+
//	     -------------------->|TIME-WAIT|------------------->| CLOSED  |
//	                          +---------+                    +---------+
//
// Note 1: the return to LISTEN on a RST is that of a passive opener. The figure
// leaves out what the text of section 3.10.7 has, and the table holds: resets in
// the other states, SYN-RECEIVED to CLOSE-WAIT by a FIN, a FIN that carries the
// ACK of the other's FIN. Such a segment is two events, its ACK and then its
// FIN, so that FIN-WAIT-1 reaches TIME-WAIT through FIN-WAIT-2 at one instant.
package tcpstate
