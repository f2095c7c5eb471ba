// The Merkle tree of RFC 6962 and its proofs (docs/formats.md sections 3 and 4). Sizes go up to 2^53:
// arithmetic, not bit operations, which would cut them at 32.

const NODE = Uint8Array.of(1);

function nodeHash(left, right) {
	return sha256(NODE, left, right);
}

function half(n) {
	return Math.floor(n / 2);
}

// RFC 9162 section 2.1.3.2: whether the proof leads from the leaf at index to the root.
function inclusionHolds(index, size, hash, proof, root) {
	let fn = index, sn = size - 1, r = hash;
	for (const p of proof) {
		if (sn === 0)
			return false;
		if (fn % 2 || fn === sn) {
			r = nodeHash(p, r);
			while (fn % 2 === 0 && fn !== 0) {
				fn = half(fn);
				sn = half(sn);
			}
		} else {
			r = nodeHash(r, p);
		}
		fn = half(fn);
		sn = half(sn);
	}
	return index < size && sn === 0 && bytesEqual(r, root);
}

// How many hashes a consistency proof has (RFC 9162 section 2.1.4.1).
function consistencyLength(from, to) {
	let n = 0, m = from, size = to, whole = true;
	while (m < size) {
		const k = largestPowerBelow(size);
		if (m <= k) {
			size = k;
		} else {
			m -= k;
			size -= k;
			whole = false;
		}
		n++;
	}
	return n + (whole ? 0 : 1);
}

function largestPowerBelow(n) {
	let k = 1;
	while (k * 2 < n)
		k *= 2;
	return k;
}

// RFC 9162 section 2.1.4.2: whether the tree of `to` grew out of the one of `from`. Without the older
// root only that the proof leads to the newer one, which cannot be told when `from` is a power of two.
function consistencyHolds(from, to, oldRoot, newRoot, proof) {
	if (proof.length !== consistencyLength(from, to))
		return false;
	if (from === to)
		return !oldRoot || bytesEqual(oldRoot, newRoot);
	const power = Number.isInteger(Math.log2(from)) && 2 ** Math.round(Math.log2(from)) === from;
	if (power && !oldRoot)
		return true;
	const path = power ? [oldRoot, ...proof] : proof;
	let fn = from - 1, sn = to - 1, fr = path[0], sr = path[0];
	while (fn % 2) {
		fn = half(fn);
		sn = half(sn);
	}
	for (const c of path.slice(1)) {
		if (sn === 0)
			return false;
		if (fn % 2 || fn === sn) {
			fr = nodeHash(c, fr);
			sr = nodeHash(c, sr);
			while (fn % 2 === 0 && fn !== 0) {
				fn = half(fn);
				sn = half(sn);
			}
		} else {
			sr = nodeHash(sr, c);
		}
		fn = half(fn);
		sn = half(sn);
	}
	return sn === 0 && (!oldRoot || bytesEqual(fr, oldRoot)) && bytesEqual(sr, newRoot);
}

// The largest complete subtrees that cover leaves from `first` to before `end`: their widths, from
// left to right.
function completeSubtrees(first, end) {
	const widths = [];
	for (let at = first; at < end;) {
		let width = 1;
		while (at % (2 * width) === 0 && at + 2 * width <= end)
			width *= 2;
		widths.push(width);
		at += width;
	}
	return widths;
}

// A tree that grows on the right: the complete subtrees that there are, neighbours put together.
class Tree {
	constructor() {
		this.nodes = []; // {width, hash}
		this.size = 0;
	}

	add(hash, width = 1) {
		this.size += width;
		for (let w = width; this.nodes.length; w *= 2) {
			const left = this.nodes[this.nodes.length - 1];
			if (left.width !== w || this.size % (2 * w) !== 0)
				break;
			this.nodes.pop();
			hash = nodeHash(left.hash, hash);
			width = 2 * w;
		}
		this.nodes.push({ width, hash });
	}

	root() {
		if (!this.nodes.length)
			return NO_HASH;
		let r = this.nodes[this.nodes.length - 1].hash;
		for (let i = this.nodes.length - 2; i >= 0; i--)
			r = nodeHash(this.nodes[i].hash, r);
		return r;
	}
}
