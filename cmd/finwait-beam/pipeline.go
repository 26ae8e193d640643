package main

import (
	"context"
	"reflect"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/gcs"   // patterns gs://…
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local" // and paths
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/s3"    // and s3://…
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
)

func init() {
	type bytesIter = func(*[]byte) bool
	register.DoFn3x1[context.Context, []byte, func(int, string), error](&listFn{})
	register.DoFn5x1[context.Context, int, string, func([]byte, []byte), func([]byte), error](&readFn{})
	register.DoFn6x1[context.Context, []byte, bytesIter, bytesIter, func(int, []byte), func([]byte), error](&flowFn{})
	register.DoFn4x1[context.Context, int, bytesIter, func(string), error](&shardFn{})
	register.DoFn5x1[context.Context, []byte, bytesIter, bytesIter, func(*string) bool, error](&finishFn{})
	register.Combiner3[world, []byte, []byte](&worldFn{})
	register.Combiner3[totals, []byte, []byte](&totalsFn{})
	register.Emitter1[[]byte]()
	register.Emitter1[string]()
	register.Emitter2[[]byte, []byte]()
	register.Emitter2[int, []byte]()
	register.Emitter2[int, string]()
	register.Iter1[[]byte]()
	register.Iter1[string]()
	beam.RegisterCoder(reflect.TypeFor[world](), worldToBytes, worldFromBytes)
	beam.RegisterCoder(reflect.TypeFor[totals](), totalsToBytes, totalsFromBytes)
}

// build makes the pipeline.
func build(root beam.Scope, s *Settings) {
	patterns := beam.Create(root.Scope("patterns"), toJSON(s.Input))
	// The reshuffle spreads the files over the workers, and fixes their numbers:
	// what is done again later does not list anew.
	paths := beam.Reshuffle(root, beam.ParDo(root.Scope("list"), &listFn{}, patterns))
	batches, told := beam.ParDo2(root.Scope("read"), &readFn{Settings: *s}, paths)
	whole := beam.Combine(root.Scope("trace"), &worldFn{}, told)
	blocks, parts := beam.ParDo2(root.Scope("judge"), &flowFn{Settings: *s}, beam.GroupByKey(root, batches), beam.SideInput{Input: whole})
	names := beam.ParDo(root.Scope("write"), &shardFn{Settings: *s}, beam.GroupByKey(root, blocks))
	sums := beam.Combine(root.Scope("totals"), &totalsFn{}, parts)
	beam.ParDo0(root.Scope("finish"), &finishFn{Settings: *s}, beam.Impulse(root),
		beam.SideInput{Input: told}, beam.SideInput{Input: sums}, beam.SideInput{Input: names})
}
