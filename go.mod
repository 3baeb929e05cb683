module github.com/seed-afc6a195/aggregator

go 1.26
