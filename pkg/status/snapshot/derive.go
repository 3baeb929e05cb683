package snapshot

// Derive fills what is reckoned from s.Time and s.At, from the oldest snapshot that is still kept, and from one that
// was taken a second ago or more; both may be nil. What the verdict says is not among it.
func (s *Snapshot) Derive(oldest, second *Snapshot) {
	s.lists()
	s.ages()
	s.settle(second)
	if oldest != nil {
		s.rates(oldest)
	}
	for i := range s.Outputs {
		s.Outputs[i].foresee()
	}
}

// lists makes JSON show empty lists, not null.
func (s *Snapshot) lists() {
	notNil(&s.Config.Warnings)
	notNil(&s.Loops)
	notNil(&s.Listeners)
	notNil(&s.Clusters)
	notNil(&s.Outputs)
	notNil(&s.DeadLetters.By)
	if s.Group != nil {
		notNil(&s.Group.Pods)
		for i := range s.Group.Pods {
			p := &s.Group.Pods[i]
			notNil(&p.NotReady)
			notNil(&p.RefusedPeers)
			notNil(&p.NoAckPeers)
		}
	}
	for i := range s.Listeners {
		notNil(&s.Listeners[i].NoAckPeers)
		notNil(&s.Listeners[i].Agents)
		notNil(&s.Listeners[i].RefusedPeers)
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		notNil(&o.Clusters)
		notNil(&o.HeldClusters)
		notNil(&o.Targets)
		notNil(&o.WaitingTargets)
		notNil(&o.Notices)
		notNil(&o.Hosts)
		notNil(&o.Paces)
		notNil(&o.Steps)
	}
}

// ages fills how old errors are.
func (s *Snapshot) ages() {
	age := func(f *Failure) {
		if !f.Time.IsZero() {
			f.Age = max(0, s.Time.Sub(f.Time).Seconds())
		}
	}
	age(&s.Config.Failing)
	for i := range s.Listeners {
		age(&s.Listeners[i].LastError)
	}
	for i := range s.Certificates {
		age(&s.Certificates[i].Failing)
	}
	for i := range s.Outputs {
		age(&s.Outputs[i].LastError)
	}
}

// notNil makes JSON show an empty list, not null.
func notNil[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

// rates fills what is per second: the average since before.
func (s *Snapshot) rates(before *Snapshot) {
	seconds := s.At.Sub(before.At).Seconds()
	per := func(now, then uint64) float64 {
		if now < then {
			return 0
		}
		return float64(now-then) / seconds
	}
	s.Group.rates(before.Group, seconds)
	clusters := map[string]Cluster{}
	for _, c := range before.Clusters {
		clusters[c.Name] = c
	}
	for i := range s.Clusters {
		c := &s.Clusters[i]
		then := clusters[c.Name]
		c.EventsPerSecond = per(c.ReceivedEvents, then.ReceivedEvents)
		c.BytesPerSecond = per(c.ReceivedBytes, then.ReceivedBytes)
	}
	delivered, parts := map[string]uint64{}, map[[2]string]OutputCluster{}
	for _, o := range before.Outputs {
		delivered[o.Name] = o.Delivered()
		for _, c := range o.Clusters {
			parts[[2]string{o.Name, c.Cluster}] = c
		}
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		o.EventsPerSecond = per(o.Delivered(), delivered[o.Name])
		for j := range o.Clusters {
			c := &o.Clusters[j]
			then := parts[[2]string{o.Name, c.Cluster}]
			c.DeliveredPerSecond = per(c.Delivered, then.Delivered)
			c.QueuedPerSecond = per(c.Queued+c.Returned, then.Queued+then.Returned)
			c.SettledPerSecond = per(c.settled(), then.settled())
		}
	}
}

// Delivered returns how many events the destination has, since the start.
func (o *Output) Delivered() (events uint64) {
	for _, c := range o.Clusters {
		events += c.Delivered
	}
	return events
}

// settled returns how many events wait no longer, since the start, whatever became of them; but for those purged, which
// say nothing of how fast the others go.
func (c *OutputCluster) settled() uint64 { return c.Delivered + c.Dropped.Sum() + c.Dead.Sum() }

// Pending returns how many events wait for o or are in flight.
func (o *Output) Pending() (events uint64) {
	for i := range o.Clusters {
		events += o.Clusters[i].Pending
	}
	return events
}

// Waiting returns how many events wait aside for the targets that are listed.
func (o *Output) Waiting() (events uint64) {
	for i := range o.WaitingTargets {
		events += o.WaitingTargets[i].Events
	}
	return events
}

// foresee fills in when nothing will be pending any more.
func (o *Output) foresee() {
	all := o.pending()
	all.Foresee()
	o.DoneIn = all.Done
}
