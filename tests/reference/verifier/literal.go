package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// literal is the right side of an operator: its text, and all that it can be read as.
type literal struct {
	text           string
	quoted, prefix bool
	word           string   // true, false or null without quotes
	number         *decimal // nil: none
	instant        int64    // in nanoseconds since 1970
	isInstant      bool
	network        netip.Prefix
	isNetwork      bool
}

const (
	termBytes = 255
	lastNs    = 9214646399999999999
)

// terms are what an index is asked for an equality: none when it cannot be.
func (l *literal) terms() []string {
	if l.prefix || l.isInstant || l.word == "null" || l.text == "" || l.isNetwork && !l.network.IsSingleIP() {
		return nil
	}
	all := []string{cutTerm(l.text)}
	other := l.text
	if l.number != nil {
		other = l.number.String()
	} else if l.isNetwork {
		other = addressText(l.network.Addr())
	}
	if other != l.text {
		all = append(all, cutTerm(other))
	}
	return all
}

func cutTerm(text string) string {
	if len(text) > termBytes {
		return text[:termBytes]
	}
	return text
}

// --- numbers ---------------------------------------------------------------------

// decimal is 0.DIGITS times ten to the power of point; zero has no digits.
type decimal struct {
	negative bool
	digits   string
	point    int64
}

var numberGrammar = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?$`)

func parseDecimal(text string) *decimal {
	m := numberGrammar.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	digits := strings.TrimLeft(m[2]+m[3], "0")
	d := &decimal{point: int64(len(m[2])) - int64(len(m[2]+m[3])-len(digits)), digits: strings.TrimRight(digits, "0")}
	if d.digits == "" {
		return &decimal{}
	}
	d.negative = m[1] == "-"
	exponent := strings.TrimLeft(m[5], "0")
	if len(exponent) > 15 {
		exponent = "999999999999999"
	}
	n, _ := strconv.ParseInt("0"+exponent, 10, 64)
	if m[4] == "-" {
		n = -n
	}
	d.point += n
	return d
}

// String is the one spelling of equal numbers.
func (d *decimal) String() string {
	sign, n := "", int64(len(d.digits))
	if d.negative {
		sign = "-"
	}
	switch {
	case n == 0:
		return "0"
	case d.point >= n && d.point <= 40:
		return sign + d.digits + strings.Repeat("0", int(d.point-n))
	}
	return fmt.Sprintf("%s%se%d", sign, d.digits, d.point-n)
}

// instant reads it as seconds, milli-, micro- or nanoseconds since 1970, by its size.
func (d *decimal) instant() (int64, bool) {
	if d.negative {
		return 0, false
	}
	if d.digits == "" {
		return 0, true
	}
	places := int64(0)
	switch {
	case d.point <= 11:
		places = 9
	case d.point <= 14:
		places = 6
	case d.point <= 17:
		places = 3
	}
	whole := d.point + places // digits before the point
	if whole > 19 {
		return 0, false
	}
	if whole <= 0 {
		return 0, true
	}
	ns, err := strconv.ParseInt((d.digits + strings.Repeat("0", 19))[:whole], 10, 64)
	return ns, err == nil && ns <= lastNs
}

// --- times -----------------------------------------------------------------------

var timeGrammar = regexp.MustCompile(
	`^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?: ?(?:(Z|z|UTC|GMT)|([+-])([0-9]{2})(?::?([0-9]{2}))?))?)?$`)

// instantOfText reads a date, or a date and time (docs/queries.md, Times).
func instantOfText(text string) (int64, bool) {
	m := timeGrammar.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n := [12]int{}
	for i := range m {
		n[i], _ = strconv.Atoi(m[i])
	}
	day := time.Date(n[1], time.Month(n[2]), n[3], 0, 0, 0, 0, time.UTC)
	if day.Year() != n[1] || int(day.Month()) != n[2] || day.Day() != n[3] || n[4] > 23 || n[5] > 59 || n[6] > 60 || n[10] > 23 || n[11] > 59 {
		return 0, false
	}
	offset := n[10]*3600 + n[11]*60
	if m[9] == "-" {
		offset = -offset
	}
	seconds := day.Unix() + int64(n[4]*3600+n[5]*60+n[6]-offset)
	fraction, _ := strconv.ParseInt((m[7] + "000000000")[:9], 10, 64)
	if seconds < 0 || seconds > lastNs/1000000000 {
		return 0, false
	}
	return seconds*1000000000 + fraction, true
}

// --- addresses -------------------------------------------------------------------

// parseNetwork reads an address, or a network; IPv4 inside IPv6 is IPv4.
func parseNetwork(text string) (netip.Prefix, bool) {
	base, rest, slash := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(base)
	if err != nil || strings.Contains(base, "%") {
		return netip.Prefix{}, false
	}
	bits := int64(ip.BitLen())
	if slash {
		n, ok := parseInt(rest)
		if !ok || n > bits {
			return netip.Prefix{}, false
		}
		bits = n
	}
	if ip.Is4In6() && bits >= 96 {
		ip, bits = ip.Unmap(), bits-96
	}
	return netip.PrefixFrom(ip, int(bits)), true
}

func addressText(ip netip.Addr) string {
	raw := ip.As16()
	if ip.Is6() && string(raw[:12]) == string(make([]byte, 12)) && (raw[12] != 0 || raw[13] != 0) {
		return "::" + netip.AddrFrom4([4]byte{raw[12], raw[13], raw[14], raw[15]}).String()
	}
	return ip.String()
}
