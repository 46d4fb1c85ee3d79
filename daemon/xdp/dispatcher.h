// SPDX-License-Identifier: MIT
//
// The filter beside other XDP programs. An interface has room for one program; libxdp puts a dispatcher there, which
// calls several in the order of their run priorities while they return XDP_PASS. With "xdp.coexist: libxdp" the filter
// is one of those.
//
// Programs of others stay. The new filter is added before the old one is removed; libxdp exchanges the whole dispatcher
// in one step each time, so that no packet meets an interface without filter. Filters of ours are known by their
// program's name, whichever daemon loaded them.
//
// libxdp finds the programs of others by their numbers and in directories of root. That takes CAP_SYS_ADMIN and
// CAP_DAC_OVERRIDE, which are in effect while a function of this file or of component.h runs, and at no other time.
#pragma once

#include "protocol/base/result.h"

#include <string>

namespace xk::xdp {

// Whether kernel and capabilities suffice. Changes nothing.
Result<void> check_dispatcher();

// Takes every filter of ours away from the interface's dispatcher, and with the last program the dispatcher.
Result<void> leave_dispatcher(int ifindex);

// The same if the dispatcher runs nothing else, for an attachment without dispatcher; else the error says so.
Result<void> replace_dispatcher(const std::string& interface, int ifindex);

} // namespace xk::xdp
