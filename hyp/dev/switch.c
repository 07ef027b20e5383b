/*
 * Where packets go. See switch.h.
 *
 * Invariant: no two ports have the same MAC address of their own, and no address that is one is
 * among the learned.
 *
 * Next: virtio_net.c, who asks. Source: IEEE 802.1Q, "Learning Process", "Forwarding Process".
 */
#include "hyp/dev/switch.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/string.h"

struct switch_port switch_ports[SWITCH_PORTS];
uint64_t switch_used;
const char *const switch_drop_names[DROPS] = {
	[DROP_MALFORMED] = "bad",
	[DROP_SPOOFED] = "spoofed",
	[DROP_NOT_READY] = "absent",
	[DROP_NO_ROOM] = "full",
};

static struct lock table_lock;

static bool is_used(unsigned port)
{
	return switch_used >> port & 1;
}

/* --- who is there --- */

void switch_add_uplink(void)
{
	switch_ports[SWITCH_UPLINK].rules.any_mac = true;
	switch_used |= UINT64_C(1) << SWITCH_UPLINK;
}

static enum err find_free(const struct switch_rules *rules, unsigned *port)
{
	*port = SWITCH_PORTS;
	if (!rules->mac || mac_is_group(rules->mac))
		return ERR_RANGE;
	for (unsigned i = SWITCH_PORTS - 1; i > SWITCH_UPLINK; i--) {
		if (!is_used(i))
			*port = i;
		else if (switch_ports[i].rules.mac == rules->mac)
			return ERR_OVERLAP;
	}
	return *port == SWITCH_PORTS ? ERR_FULL : OK;
}

static void forget(uint64_t mac)
{
	for (unsigned i = 0; i < SWITCH_PORTS; i++)
		for (unsigned k = 0; k < SWITCH_LEARNS; k++)
			if (switch_ports[i].learned[k].mac == mac)
				switch_ports[i].learned[k].mac = 0;
}

/* Who was led to the port's last owner may just look at it: its lock stays as it is. */
static void begin_port(struct switch_port *p, struct virtio_device *device,
		       const struct switch_rules *rules)
{
	lock_take(&p->lock);
	p->device = device;
	p->in = p->out = (struct switch_count){ 0 };
	memset(p->drops_in, 0, sizeof(p->drops_in));
	memset(p->drops_out, 0, sizeof(p->drops_out));
	lock_release(&p->lock);
	p->rules = *rules;
	memset(p->learned, 0, sizeof(p->learned));
	switch_used |= UINT64_C(1) << (p - switch_ports);
}

enum err switch_add(struct virtio_device *device, const struct switch_rules *rules, unsigned *port)
{
	enum err e;

	lock_take(&table_lock);
	e = find_free(rules, port);
	if (!e) {
		begin_port(&switch_ports[*port], device, rules);
		forget(rules->mac);
	}
	lock_release(&table_lock);
	return e;
}

/* From whom it is taken first, and then nobody is led there; who was led there before finds nobody. */
void switch_remove(unsigned port)
{
	struct switch_port *p = &switch_ports[port];

	lock_take(&p->lock);
	p->device = NULL;
	lock_release(&p->lock);
	lock_take(&table_lock);
	switch_used &= ~(UINT64_C(1) << port);
	lock_release(&table_lock);
}

/* --- learning --- */

static bool is_fresh(const struct switch_station *s, uint64_t now)
{
	return s->mac && now - s->seen < SWITCH_AGE_S * host.timebase;
}

static struct switch_station *find_station(struct switch_port *p, uint64_t mac, uint64_t now)
{
	for (unsigned k = 0; k < SWITCH_LEARNS; k++)
		if (p->learned[k].mac == mac && is_fresh(&p->learned[k], now))
			return &p->learned[k];
	return NULL;
}

/* A free place, or the one that was silent for longest. */
static struct switch_station *place_for(struct switch_port *p, uint64_t now)
{
	struct switch_station *best = &p->learned[0];

	for (unsigned k = 0; k < SWITCH_LEARNS; k++) {
		struct switch_station *s = &p->learned[k];

		if (!is_fresh(s, now))
			return s;
		if (now - s->seen > now - best->seen)
			best = s;
	}
	return best;
}

/* Whose own address @mac is, or behind which port it was learned; SWITCH_PORTS: nobody knows. */
static unsigned where_is(uint64_t mac, uint64_t now, struct switch_station **station)
{
	*station = NULL;
	for (uint64_t left = switch_used; left; left &= left - 1)
		if (switch_ports[bit_lowest(left)].rules.mac == mac)
			return bit_lowest(left);
	for (uint64_t left = switch_used; left; left &= left - 1) {
		struct switch_port *p = &switch_ports[bit_lowest(left)];

		if (p->rules.any_mac && (*station = find_station(p, mac, now)))
			return bit_lowest(left);
	}
	return SWITCH_PORTS;
}

/* Whether @from may speak with @mac; then it is known that it is there. */
static bool learn(unsigned from, uint64_t mac, uint64_t now)
{
	struct switch_port *p = &switch_ports[from];
	struct switch_station *s;
	unsigned at;

	if (mac == p->rules.mac && mac)
		return true;
	if (!p->rules.any_mac || !mac || mac_is_group(mac))
		return false;
	at = where_is(mac, now, &s);
	if (at != SWITCH_PORTS && at != from) {
		if (!s || from != SWITCH_UPLINK)
			return false;
		s->mac = 0;
		s = NULL;
	}
	if (!s)
		s = place_for(p, now);
	*s = (struct switch_station){ mac, now };
	return true;
}

/* --- forwarding --- */

static bool may_reach(unsigned from, unsigned to)
{
	const struct switch_rules *a = &switch_ports[from].rules, *b = &switch_ports[to].rules;

	if (from == to || !is_used(to))
		return false;
	if (from == SWITCH_UPLINK)
		return !b->is_private;
	if (to == SWITCH_UPLINK)
		return !a->is_private;
	return !a->is_isolated && !b->is_isolated;
}

/* All for a group; those behind whom there may be others, for whom nobody knows. */
static uint64_t flood(unsigned from, bool is_group)
{
	uint64_t to = 0;

	for (unsigned i = 0; i < SWITCH_PORTS; i++)
		if (may_reach(from, i) && (is_group || switch_ports[i].rules.any_mac))
			to |= UINT64_C(1) << i;
	return to;
}

static uint64_t route(unsigned from, uint64_t mac, uint64_t now)
{
	struct switch_station *s;
	unsigned at;

	if (mac_is_group(mac))
		return flood(from, true);
	at = where_is(mac, now, &s);
	if (at == SWITCH_PORTS)
		return flood(from, false);
	return may_reach(from, at) ? UINT64_C(1) << at : 0;
}

uint64_t switch_route(unsigned from, const uint8_t *addresses, bool *is_spoofed)
{
	uint64_t now = csr_read(CSR_TIME), to = 0;

	lock_take(&table_lock);
	*is_spoofed = !learn(from, mac_read(addresses + MAC_BYTES), now);
	if (!*is_spoofed)
		to = route(from, mac_read(addresses), now);
	lock_release(&table_lock);
	return to;
}
