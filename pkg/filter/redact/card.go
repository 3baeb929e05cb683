package redact

// A card's number has 13 to 19 digits (ISO/IEC 7812-1).
const (
	minCard = 13
	maxCard = 19
)

// findCards finds numbers of payment cards: in one piece, or in groups as they are printed, with one
// space or hyphen between them; with a first digit and length that are given to cards, and the right check digit.
func findCards(text []byte, spans []span) []span {
	floor := 0
	// A number covers one of each 13 places in a row.
	for i := minCard - 1; i < len(text); {
		if !inCard(text, i) {
			floor = i + 1
			i += minCard
			continue
		}
		from, to := i, i+1
		for from > floor && inCard(text, from-1) {
			from--
		}
		for to < len(text) && inCard(text, to) {
			to++
		}
		spans = cardsIn(text, from, to, spans)
		floor = to
		i = to + minCard - 1
	}
	return spans
}

// inCard reports whether text[i] is a digit, or a separator between two.
func inCard(text []byte, i int) bool {
	c := text[i]
	return isDigit(c) || (c == ' ' || c == '-') && i > 0 && i+1 < len(text) && isDigit(text[i-1]) && isDigit(text[i+1])
}

// cardsIn finds the numbers in text[from:to], which is digits and single separators.
func cardsIn(text []byte, from, to int, spans []span) []span {
	// An escape's digits, as in %20 and \u0026.
	switch {
	case from > 0 && text[from-1] == '%':
		from = min(from+2, to)
	case from > 1 && text[from-1] == 'u' && text[from-2] == '\\':
		from = min(from+4, to)
	case !begins(text, from) || from > 1 && text[from-1] == '.' && isDigit(text[from-2]):
		// The end of a word, or of 0.4111.
		from = nextGroup(text, from, to)
	}
	for from < to {
		end := card(text, from, to)
		if end == 0 {
			from = nextGroup(text, from, to)
			continue
		}
		spans = append(spans, span{from, end})
		from = end
	}
	return spans
}

// nextGroup returns where the digits after the next separator begin.
func nextGroup(text []byte, from, to int) int {
	for from < to && isDigit(text[from]) {
		from++
	}
	return min(from+1, to)
}

// card returns where the number that begins at text[from] ends; 0: none begins there.
func card(text []byte, from, to int) (end int) {
	var digits [maxCard]byte
	var lengths [5]int
	n, group := 0, 0
	var separator byte
	for i := from; i <= to; i++ {
		if i < to && isDigit(text[i]) {
			if n == maxCard {
				return end
			}
			digits[n] = text[i]
			n++
			lengths[group]++
			continue
		}
		if printed(lengths[:group+1]) && known(digits[:n]) && luhn(digits[:n]) && (i < to || ends(text, i)) {
			end = i
		}
		if i == to || group == len(lengths)-1 || separator != 0 && text[i] != separator {
			return end
		}
		separator = text[i]
		group++
	}
	return end
}

// printed reports whether numbers are written in groups of such lengths: all in one, 4-4-4-4, 4-6-5,
// 4-6-4, or 4-4-4-4 and up to three more.
func printed(lengths []int) bool {
	switch len(lengths) {
	case 1:
		return lengths[0] >= minCard
	case 3:
		return lengths[0] == 4 && lengths[1] == 6 && (lengths[2] == 4 || lengths[2] == 5)
	case 4, 5:
		for _, n := range lengths[:4] {
			if n != 4 {
				return false
			}
		}
		return len(lengths) == 4 || lengths[4] < 4
	}
	return false
}

// known reports whether issuers have numbers with such first digits and length. It keeps times, which
// begin with 1 or 20, from being taken for cards.
func known(digits []byte) bool {
	n := len(digits)
	first := 0
	for _, c := range digits[:4] {
		first = first*10 + int(c-'0')
	}
	switch digits[0] {
	case '2':
		// Mir, Mastercard.
		return n >= 16 && (first >= 2200 && first <= 2204 || first >= 2221 && first <= 2720)
	case '3':
		// American Express, Diners Club, JCB.
		return n >= 14 && (first < 3100 || first >= 3400)
	case '4':
		// Visa.
		return n == 13 || n == 16 || n == 19
	case '5':
		// Mastercard, Maestro.
		return n == 16 || first < 5100 || first >= 5600
	case '6':
		// Discover, UnionPay, Maestro, RuPay.
		return true
	}
	return false
}

// luhn reports whether the check digit is right (ISO/IEC 7812-1, annex B).
func luhn(digits []byte) bool {
	sum := 0
	for i, c := range digits {
		d := int(c - '0')
		if (len(digits)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
