module github.com/finwait/finwait

go 1.26
