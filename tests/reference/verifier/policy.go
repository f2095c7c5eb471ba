package main

import (
	"regexp"
	"strconv"
	"time"
)

// duration is a retention period: calendar months and an exact rest.
type duration struct {
	months int64
	ns     float64
}

var (
	shortDuration = regexp.MustCompile(`^([0-9]+)(y|mo|d|h|m|s)$`)
	isoDuration   = regexp.MustCompile(`^P(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?$`)
	unitSeconds   = map[string]float64{"d": 86400, "h": 3600, "m": 60, "s": 1}
)

func parseDuration(s string) (duration, bool) {
	if m := shortDuration.FindStringSubmatch(s); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		switch m[2] {
		case "y":
			return duration{months: 12 * n}, err == nil
		case "mo":
			return duration{months: n}, err == nil
		}
		return duration{ns: float64(n) * unitSeconds[m[2]]}, err == nil
	}
	m := isoDuration.FindStringSubmatch(s)
	if m == nil || len(s) < 3 {
		return duration{}, false
	}
	n := [8]float64{}
	for i := 1; i < 8; i++ {
		n[i], _ = strconv.ParseFloat("0"+m[i], 64)
	}
	d := duration{months: int64(n[1])*12 + int64(n[2])}
	d.ns = ((n[3]*7+n[4])*24+n[5])*3600 + n[6]*60 + n[7]
	return d, true
}

// spans are the shortest and the longest time that so many months take, in seconds.
func spans(months int64) (shortest, longest float64) {
	shortest = 1e18
	for start := 0; start < 48; start++ {
		from := time.Date(2000, time.January+time.Month(start), 1, 0, 0, 0, 0, time.UTC)
		d := from.AddDate(0, int(months), 0).Sub(from).Seconds()
		if d < shortest {
			shortest = d
		}
		if d > longest {
			longest = d
		}
	}
	return shortest, longest
}

// covers says whether a is at least as long as b, wherever both start.
func (a duration) covers(b duration) bool {
	if a.months >= b.months {
		shortest, _ := spans(a.months - b.months)
		return shortest+a.ns >= b.ns
	}
	_, longest := spans(b.months - a.months)
	return a.ns >= b.ns+longest
}

// policy is what a policy entry says (section 1).
type policy struct {
	index          int64
	mode           string
	period         map[string]duration // default, min, max: those that are set
	dual           map[string]bool
	complianceFrom string
}

func readPolicy(index int64, said object) (*policy, bool) {
	v, _ := said.get("policy")
	o, ok := v.(object)
	p := &policy{index: index, mode: "governance", period: map[string]duration{}, dual: map[string]bool{}}
	if !ok {
		return nil, false
	}
	if o.has("mode") {
		p.mode = o.text("mode")
	}
	p.complianceFrom = o.text("compliance_from")
	if p.mode != "none" && p.mode != "governance" && p.mode != "compliance" || o.has("compliance_from") && !isTime(p.complianceFrom) {
		return nil, false
	}
	if v, there := o.get("retain"); there {
		r, ok := v.(object)
		if !ok {
			return nil, false
		}
		for _, m := range r {
			s, _ := m.value.(string)
			d, ok := parseDuration(s)
			if !ok {
				return nil, false
			}
			p.period[m.name] = d
		}
	}
	if v, there := o.get("dual_control"); there {
		list, ok := v.([]node)
		for _, x := range list {
			act, isText := x.(string)
			ok = ok && isText
			p.dual[act] = true
		}
		if !ok {
			return nil, false
		}
	}
	return p, true
}

// inCompliance says whether compliance began before or at an instant.
func (p *policy) inCompliance(when string) bool {
	return p.mode == "compliance" || p.complianceFrom != "" && p.complianceFrom <= when
}

// weaker names what protects less in next than in p at that instant, "" when nothing does.
func (p *policy) weaker(next *policy, when string) string {
	rank := map[string]int{"none": 0, "governance": 1, "compliance": 2}
	mode := func(q *policy) int {
		if q.inCompliance(when) {
			return 2
		}
		return rank[q.mode]
	}
	if mode(next) < mode(p) {
		return "mode"
	}
	for _, name := range []string{"default", "min"} {
		was, had := p.period[name]
		is, has := next.period[name]
		if had && (!has || !is.covers(was)) {
			return name
		}
	}
	was, had := p.period["max"]
	is, has := next.period["max"]
	if has && (!had || !is.covers(was)) {
		return "max"
	}
	for act := range p.dual {
		if !next.dual[act] {
			return "dual_control: " + act
		}
	}
	return ""
}
