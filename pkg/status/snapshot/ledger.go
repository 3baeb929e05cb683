package snapshot

// Ledger is the proof that no event is lost: what went in, what became of it, and what is left over,
// which is 0 unless something is wrong or just moving. See the doc comments of Cluster and
// OutputCluster for the sums.
type Ledger struct {
	Ingest  []IngestAccount `json:"ingest"`
	Outputs []OutputAccount `json:"outputs"`
}

// Balance is the result of an account. Its figures are counted in different places and not in one
// instant, so while they move, Difference may be something else than 0 and Balanced is nil. Once they
// have rested for a second, Balanced reports whether Difference is 0.
type Balance struct {
	Difference int64 `json:"difference"`
	Balanced   *bool `json:"balanced"`
}

// IngestAccount is the account of what a cluster has sent.
type IngestAccount struct {
	Cluster string `json:"cluster"`
	IngestFigures
	Balance
}

// IngestFigures are numbers of events since the start.
type IngestFigures struct {
	Received   uint64 `json:"received"`
	Stored     uint64 `json:"stored"`
	Duplicates uint64 `json:"duplicates"`
	Dropped    uint64 `json:"dropped"`
	Dead       uint64 `json:"dead"`
	// Unreported is as in Cluster.
	Unreported uint64 `json:"unreported"`
}

// OutputAccount is the account of what an output was to deliver for a cluster.
type OutputAccount struct {
	Output  string `json:"output"`
	Cluster string `json:"cluster"`
	OutputFigures
	Balance
}

// OutputFigures are numbers of events since the start.
type OutputFigures struct {
	Queued    uint64 `json:"queued"`
	Returned  uint64 `json:"returned"`
	Adopted   uint64 `json:"adopted"`
	Recovered uint64 `json:"recovered"`
	Delivered uint64 `json:"delivered"`
	Dropped   uint64 `json:"dropped"`
	Purged    uint64 `json:"purged"`
	Dead      uint64 `json:"dead"`
	Pending   uint64 `json:"pending"`
	// Unreported: see OutputCluster.Unreported.
	Unreported uint64 `json:"unreported"`
}

// difference relies on unsigned arithmetic: what wraps around on the way comes back.
func (f IngestFigures) difference() int64 {
	return int64(f.Received - f.Stored - f.Duplicates - f.Dropped - f.Dead - f.Unreported)
}

func (f OutputFigures) difference() int64 {
	return int64(
		f.Queued + f.Returned + f.Adopted + f.Recovered - f.Delivered - f.Dropped - f.Purged - f.Dead -
			f.Pending - f.Unreported,
	)
}

// settle fills s.Ledger. before is a snapshot taken a second ago or more, nil where there is none.
func (s *Snapshot) settle(before *Snapshot) {
	s.Ledger = Ledger{Ingest: make([]IngestAccount, 0, len(s.Clusters)), Outputs: []OutputAccount{}}
	ingest, outputs := map[string]IngestFigures{}, map[[2]string]OutputFigures{}
	if before != nil && (s.Group == nil || !s.Group.Closing) {
		for _, a := range before.Ledger.Ingest {
			ingest[a.Cluster] = a.IngestFigures
		}
		for _, a := range before.Ledger.Outputs {
			outputs[[2]string{a.Output, a.Cluster}] = a.OutputFigures
		}
	}
	for _, c := range s.Clusters {
		f := IngestFigures{
			Received: c.ReceivedEvents, Stored: c.StoredEvents, Duplicates: c.DuplicateEvents,
			Dropped: c.Dropped.Sum(), Dead: c.Dead.Sum(), Unreported: c.Unreported,
		}
		was, known := ingest[c.Name]
		s.Ledger.Ingest = append(s.Ledger.Ingest, IngestAccount{c.Name, f, balance(f.difference(), known && was == f)})
	}
	for _, o := range s.Outputs {
		for _, c := range o.Clusters {
			f := OutputFigures{
				Queued: c.Queued, Returned: c.Returned, Adopted: c.Adopted, Recovered: c.Recovered,
				Delivered: c.Delivered,
				Dropped:   c.Dropped.Sum(), Purged: c.Purged, Dead: c.Dead.Sum(), Pending: c.Pending,
				Unreported: c.Unreported,
			}
			was, known := outputs[[2]string{o.Name, c.Cluster}]
			s.Ledger.Outputs = append(s.Ledger.Outputs, OutputAccount{
				o.Name, c.Cluster, f, balance(f.difference(), known && was == f),
			})
		}
	}
}

func balance(difference int64, rests bool) Balance {
	b := Balance{Difference: difference}
	if rests {
		b.Balanced = new(difference == 0)
	}
	return b
}
