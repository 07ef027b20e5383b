/*
 * Commands about the network: who is on the switch, and what came and went there.
 */
#include "hyp/monitor/command.h"

#include "hyp/dev/virtio_net.h"
#include "hyp/drv/net.h"
#include "hyp/lib/printf.h"

static const struct column nets_columns[] = {
	{ "owner", -16 }, { "mac", -17 },    { "rx", 9 },     { "rx_bytes", 12 },
	{ "tx", 9 },	  { "tx_bytes", 12 }, { "dropped", -1 },
};

static void drops(const struct switch_port *p, struct answer *a)
{
	struct answer_count counts[DROPS];
	unsigned n = 0;

	for (unsigned why = 0; why < DROPS; why++)
		if (p->drops_in[why] + p->drops_out[why])
			counts[n++] = (struct answer_count){
				switch_drop_names[why], p->drops_in[why] + p->drops_out[why]
			};
	answer_counts(a, counts, n);
}

static void row(const char *owner, const struct switch_port *p, struct answer *a)
{
	char mac[3 * MAC_BYTES];
	size_t n = 0;

	for (int shift = 8 * (MAC_BYTES - 1); shift >= 0; shift -= 8)
		n += format_text(mac + n, sizeof(mac) - n, "%02x%s",
				 (unsigned)(p->rules.mac >> shift & 0xff), shift ? ":" : "");
	answer_row(a);
	answer_text(a, owner);
	if (p->rules.mac)
		answer_text(a, mac);
	else
		answer_none(a);
	answer_number(a, p->out.packets);
	answer_number(a, p->out.bytes);
	answer_number(a, p->in.packets);
	answer_number(a, p->in.bytes);
	drops(p, a);
}

static void rows_of(const struct vm *vm, struct answer *a)
{
	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
		unsigned port = virtio_net_port(&vm->board.virtio[slot]);

		if (port)
			row(vm->config.name, &switch_ports[port], a);
	}
}

/* Counts of others' harts, as they are just now. */
static void nets(const struct arguments *args, struct answer *a)
{
	answer_table(a, nets_columns, sizeof(nets_columns) / sizeof(nets_columns[0]));
	for (unsigned i = 0; i < VMS_MAX; i++)
		if (vms[i] && (!args->vm || args->vm == vms[i]))
			rows_of(vms[i], a);
	if (!args->vm && net_is_there())
		row("(uplink)", &switch_ports[SWITCH_UPLINK], a);
}

const struct command net_commands[] = {
	{ "nets [VM]", "packets that came to each net and went out, and those that were lost", nets },
	{ NULL, NULL, NULL },
};
