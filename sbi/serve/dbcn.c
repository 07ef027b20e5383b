/*
 * DBCN: the debug console. "Debug Console Extension". Its bytes go where the serial port's go.
 */
#include "hyp/g-stage/gstage.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

/* Bytes moved by one call; the guest asks again for the rest, as the specification allows. */
#define PART 64

static bool is_guest_ram(const struct vcpu *v, uint64_t at, uint64_t bytes)
{
	return range_holds(v->gstage->ram.v, v->gstage->ram_bytes, at, bytes);
}

static struct sbi_ret write_some(struct vcpu *v, uint64_t at, uint64_t bytes)
{
	uint8_t part[PART];
	uint64_t n = bytes < PART ? bytes : PART, sent = 0;

	if (gstage_read(v->gstage, gpa(at), part, n) != OK)
		return sbi_fail(SBI_ERR_FAILED);
	while (sent < n && port_put(&v->vm->board.uart.port, part[sent]))
		sent++;
	return sbi_ok(sent);
}

static struct sbi_ret read_some(struct vcpu *v, uint64_t at, uint64_t bytes)
{
	uint8_t part[PART];
	uint64_t n = 0;
	int byte;

	while (n < PART && n < bytes && (byte = uart_take(&v->vm->board)) >= 0)
		part[n++] = (uint8_t)byte;
	if (n && gstage_write(v->gstage, gpa(at), part, n) != OK)
		return sbi_fail(SBI_ERR_FAILED);
	return sbi_ok(n);
}

struct sbi_ret serve_dbcn(struct vcpu *v, uint64_t fid)
{
	uint64_t bytes = sbi_arg(v, 0), at = sbi_arg(v, 1), high = sbi_arg(v, 2);

	if (fid == SBI_DBCN_CONSOLE_WRITE_BYTE)
		return port_put(&v->vm->board.uart.port, (uint8_t)bytes) ? sbi_ok(0) : sbi_again(v);
	if (fid != SBI_DBCN_CONSOLE_WRITE && fid != SBI_DBCN_CONSOLE_READ)
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	if (high || !is_guest_ram(v, at, bytes))
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	return fid == SBI_DBCN_CONSOLE_WRITE ? write_some(v, at, bytes) : read_some(v, at, bytes);
}
