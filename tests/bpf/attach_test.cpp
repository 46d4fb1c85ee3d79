// SPDX-License-Identifier: MIT
//
// The filter on real interfaces, in a network namespace and on a BPF file system of the test's own.
#include "own_network.h"
#include "pin_directory.h"
#include "refusing.h"

#include "daemon/xdp/hook_query.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/pins.h"
#include "protocol/base/fd.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

using namespace xk;
using test::OwnNetwork;
using test::PinDirectory;
using test::sh;
using xdp::Mode;

namespace {

namespace fs = std::filesystem;

const char* const kVeth = "ip link set lo up && ip link add a0 type veth peer name b0 && "
                          "ip link set a0 up && ip link set b0 up";

std::uint32_t id_of_link(const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    bpf_link_info info{};
    __u32 size = sizeof info;
    REQUIRE(bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0);
    return info.id;
}

xdp::HookQuery query(const PinDirectory& directory, const char* interface) {
    auto found = xdp::query_hook(interface, directory.pins());
    REQUIRE(found);
    return *found;
}

// Another program on the interface for as long as the descriptor lives.
struct Stranger {
    Fd program, link;
    explicit Stranger(const char* interface) {
        const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
                                 {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
        program.reset(bpf_prog_load(BPF_PROG_TYPE_XDP, "stranger", "GPL", pass, std::size(pass), nullptr));
        link.reset(bpf_link_create(program.get(), xdp::index_of_interface(interface), BPF_XDP, nullptr));
        REQUIRE(link);
    }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

} // namespace

TEST_CASE("the filter comes to an interface in native mode, and its link is pinned") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    CHECK_FALSE(xdp::Filter::has_links(directory.pins()));
    CHECK(query(directory, "a0").mode == Mode::none);
    const auto at = filter.attach("a0", false);
    REQUIRE(at);
    CHECK(at->interface == "a0");
    CHECK(at->ifindex == xdp::index_of_interface("a0"));
    CHECK(at->mode == Mode::native);
    CHECK(filter.is_attached(*at));
    CHECK(xdp::Filter::has_links(directory.pins()));
    CHECK_FALSE(xdp::Filter::has_shares(directory.pins()));
    const auto found = query(directory, "a0");
    CHECK(found.ours);
    CHECK(found.mode == Mode::native);
    CHECK(found.name == "xknock");
    CHECK(found.program != 0);
    CHECK_FALSE(query(directory, "b0").ours);
}

TEST_CASE("the next daemon exchanges the program behind the same link") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    REQUIRE(directory.load().attach("a0", false));
    const auto before = query(directory, "a0");
    const auto link = id_of_link(xdp::pin_of_link(directory.pins(), "a0"));
    auto filter = directory.load();
    const auto at = filter.attach("a0", false);
    REQUIRE(at);
    CHECK(at->mode == Mode::native);
    CHECK(filter.is_attached(*at));
    CHECK(id_of_link(xdp::pin_of_link(directory.pins(), "a0")) == link);
    CHECK(query(directory, "a0").program != before.program);
}

TEST_CASE("a link that somebody detached is no attachment, and is made anew") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    const auto at = filter.attach("a0", false);
    REQUIRE(at);
    const std::string pin = xdp::pin_of_link(directory.pins(), "a0");
    const auto link = id_of_link(pin);
    REQUIRE(bpf_link_detach(Fd(bpf_obj_get(pin.c_str())).get()) == 0);
    CHECK_FALSE(filter.is_attached(*at));
    CHECK(query(directory, "a0").program == 0);
    REQUIRE(filter.attach("a0", false));
    CHECK(filter.is_attached(*at));
    CHECK(id_of_link(pin) != link);
}

TEST_CASE(
    "where the driver has no native mode, generic mode is taken if that is allowed, and refused with hints if not") {
    const OwnNetwork network(std::string(kVeth) + " && ip link add br0 type bridge && ip link set a0 master br0 && "
                                                  "ip link set br0 up");
    const PinDirectory directory;
    auto filter = directory.load();
    const auto refused = filter.attach("br0", false);
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().message);
    CAPTURE(refused.error().hint);
    CHECK(has(refused.error().message, "attaching to \"br0\" in native mode"));
    CHECK(has(refused.error().message, "(Underlying driver does not support XDP in native mode)"));
    CHECK(refused.error().hint.rfind("its driver has no native XDP", 0) == 0);
    CHECK(has(refused.error().hint, "allow_generic: true"));
    CHECK(has(refused.error().hint, "; or name what it is made of in its place: a0"));
    CHECK(query(directory, "br0").program == 0);
    const auto at = filter.attach("br0", true);
    REQUIRE(at);
    CHECK(at->mode == Mode::generic);
    CHECK(query(directory, "br0").mode == Mode::generic);
    CHECK(filter.attach("br0", true)->mode == Mode::generic); // taken over
    // Not allowed any more: the filter goes.
    CHECK_FALSE(filter.attach("br0", false));
    CHECK(query(directory, "br0").program == 0);
}

TEST_CASE("with an MTU above a page the hint says which one to set") {
    const OwnNetwork network("ip link set lo up && ip link add br0 type bridge && ip link set br0 mtu 9000 up");
    const PinDirectory directory;
    auto filter = directory.load();
    const auto refused = filter.attach("br0", false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().hint.rfind("its MTU is 9000", 0) == 0);
    CHECK(has(refused.error().hint,
              "ip link set dev br0 mtu " + std::to_string(xdp::largest_mtu_in_a_page()) + "; or \"xdp:"));
    sh("ip link set br0 mtu " + std::to_string(xdp::largest_mtu_in_a_page()));
    CHECK(filter.attach("br0", false).error().hint.rfind("its driver has no native XDP", 0) == 0);
}

TEST_CASE("a native driver takes an MTU above a page where the kernel knows fragments") {
    const OwnNetwork network(std::string(kVeth) + " && ip link set a0 mtu 9000 && ip link set b0 mtu 9000");
    const PinDirectory directory;
    auto filter = directory.load();
    const auto at = filter.attach("a0", false);
    CHECK(at.has_value() == xdp::takes_fragments());
}

TEST_CASE("an interface without Ethernet header has the program for it, in generic mode, without leave") {
    const OwnNetwork network("ip link set lo up && ip tuntap add t0 mode tun && ip link set t0 up");
    const PinDirectory directory;
    auto filter = directory.load();
    const auto at = filter.attach("t0", false);
    REQUIRE(at);
    CHECK(query(directory, "t0").name == "xknock_ip");
    CHECK(filter.attach("t0", false)->mode == at->mode); // taken over
}

TEST_CASE("another program on the interface is named, and stays") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    {
        const Stranger stranger("a0");
        const auto refused = filter.attach("a0", true);
        REQUIRE_FALSE(refused);
        const auto there = query(directory, "a0");
        CHECK_FALSE(there.ours);
        CHECK(refused.error().message ==
              "XDP program id " + std::to_string(there.program) + " \"stranger\" is attached to interface \"a0\"");
        CHECK(has(refused.error().hint, "bpftool net show dev a0 says more"));
        CHECK_FALSE(fs::exists(xdp::pin_of_link(directory.pins(), "a0")));
    }
    CHECK(filter.attach("a0", false));
}

TEST_CASE("where an interface above has a program, the error says that it is not on this one") {
    const OwnNetwork network(std::string(kVeth) +
                             " && ip link add br0 type bridge && ip link set a0 master br0 && ip link set br0 up");
    const PinDirectory directory;
    auto filter = directory.load();
    REQUIRE(filter.attach("br0", true));
    const auto refused = filter.attach("a0", true);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message ==
          "an interface above \"a0\" has an XDP program, and then the kernel takes none here");
    CHECK(refused.error().hint == "name only one of the two in \"interfaces\"");
}

TEST_CASE("an attachment that the kernel refuses is an error with its reason, and leaves nothing behind") {
    const OwnNetwork network(std::string(kVeth) + " && ip link add br1 type bridge && ip link set br1 up");
    const PinDirectory directory;
    auto filter = directory.load();
    const auto refused = [&](bpf_cmd command, bool allow_generic) {
        const auto result = test::refusing(SYS_bpf, command, EPERM, [&] { return filter.attach("a0", allow_generic); });
        REQUIRE_FALSE(result);
        return result.error();
    };
    CHECK(has(filter.attach("br1", false).error().message, "(Underlying driver does not support XDP in native mode)"));
    const Error native = refused(BPF_LINK_CREATE, false); // of which its driver says nothing
    CHECK(native.message == "attaching to \"a0\" in native mode: Operation not permitted");
    CHECK(native.hint == "its driver has no native XDP, or not with these settings (LRO, queues); "
                         "\"xdp: {allow_generic: true}\" accepts the slower generic mode; "
                         "or name what it is made of in its place: b0");
    CHECK(query(directory, "a0").program == 0); // though it tried to hear the driver's words
    const Error any = refused(BPF_LINK_CREATE, true);
    CHECK(any.message.find("attaching to \"a0\": Operation not permitted") == 0);
    CHECK(any.hint.find("xknockd needs Linux 5.10") == 0);
    const std::string pin = xdp::pin_of_link(directory.pins(), "a0");
    CHECK(refused(BPF_OBJ_PIN, true).message == "pinning the link as \"" + pin + "\": Operation not permitted");
    CHECK_FALSE(fs::exists(pin));
    const auto free = [&] { return query(directory, "a0").program == 0; };
    for (int i = 0; i < 500 && !free(); ++i)
        ::usleep(10'000); // the kernel detaches a link without a descriptor in its own time
    REQUIRE(filter.attach("a0", false));
    // A link whose program cannot be exchanged is made anew.
    const auto before = id_of_link(pin);
    const auto anew = test::refusing(SYS_bpf, BPF_LINK_UPDATE, EPERM, [&] { return filter.attach("a0", false); });
    REQUIRE(anew);
    CHECK(id_of_link(pin) != before);
    CHECK(query(directory, "a0").ours);
}

TEST_CASE("a filter that the kernel does not load is an error with what it needs") {
    const PinDirectory directory;
    const auto refused = test::refusing(SYS_bpf, BPF_PROG_LOAD, EPERM, [&] { return directory.refusal(); });
    CHECK(refused.message ==
          "loading the filter: Operation not permitted (failed to load BPF skeleton 'knock_bpf': -1)");
    CHECK(refused.hint.find("xknockd needs Linux 5.10") == 0);
}

TEST_CASE("a pin that holds something else than our interface's link is replaced") {
    const OwnNetwork network(std::string(kVeth) + " && ip link add c0 type veth peer name d0");
    const PinDirectory directory;
    auto filter = directory.load();
    const std::string pin = xdp::pin_of_link(directory.pins(), "a0");
    {
        const Stranger other("c0");
        REQUIRE(bpf_obj_pin(other.link.get(), pin.c_str()) == 0);
        CHECK(xdp::interface_of_link(pin) == xdp::index_of_interface("c0"));
        {
            const Stranger another("a0");
            CHECK_FALSE(query(directory, "a0").ours);
        }
        REQUIRE(filter.attach("a0", false));
        CHECK(xdp::interface_of_link(pin) == xdp::index_of_interface("a0"));
        sh("rm " + pin);
        REQUIRE(bpf_obj_pin(other.program.get(), pin.c_str()) == 0);
    }
    CHECK(xdp::interface_of_link(pin) == 0);
    sh("ip link del a0 && ip link add a0 type veth peer name b0");
    REQUIRE(filter.attach("a0", false));
    CHECK(xdp::interface_of_link(pin) == xdp::index_of_interface("a0"));
}

TEST_CASE("an interface that is not there is refused, with those that are") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    const auto refused = filter.attach("eth7", true);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "there is no interface \"eth7\"");
    CHECK(refused.error().hint == "interfaces here: lo, b0, a0");
    CHECK_FALSE(xdp::query_hook("eth7", directory.pins()));
}

TEST_CASE("a link follows its interface under another name") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    const auto at = filter.attach("a0", false);
    REQUIRE(at);
    const auto link = id_of_link(xdp::pin_of_link(directory.pins(), "a0"));
    const std::string theirs = directory.pins() + "/theirs"; // somebody's second pin of the same link
    REQUIRE(bpf_obj_pin(Fd(bpf_obj_get(xdp::pin_of_link(directory.pins(), "a0").c_str())).get(), theirs.c_str()) == 0);
    sh("ip link set a0 name a1");
    CHECK(filter.is_attached(*at));      // nobody else has the name
    REQUIRE(filter.attach("a0", false)); // the configuration still says a0
    const auto renamed = filter.attach("a1", false);
    REQUIRE(renamed);
    CHECK(id_of_link(xdp::pin_of_link(directory.pins(), "a1")) == link);
    CHECK_FALSE(fs::exists(xdp::pin_of_link(directory.pins(), "a0")));
    CHECK(fs::exists(theirs));
    CHECK(filter.is_attached(*renamed));
    sh("ip link add a2 type veth peer name a3");
    CHECK_FALSE(filter.is_attached({"a2", renamed->ifindex, Mode::native}));
}

TEST_CASE("two interfaces that exchange their names keep their links, each under its new name") {
    const OwnNetwork network(std::string(kVeth) + " && ip link add c0 type veth peer name d0");
    const PinDirectory directory;
    auto filter = directory.load();
    const std::string pin_a = xdp::pin_of_link(directory.pins(), "a0"),
                      pin_c = xdp::pin_of_link(directory.pins(), "c0");
    const auto a = filter.attach("a0", false), c = filter.attach("c0", false);
    REQUIRE(a);
    REQUIRE(c);
    const auto link_a = id_of_link(pin_a), link_c = id_of_link(pin_c);
    sh("ip link set a0 name x0 && ip link set c0 name a0 && ip link set x0 name c0");
    CHECK_FALSE(filter.is_attached(*a));
    CHECK_FALSE(filter.is_attached(*c));
    const auto now_a = filter.attach("a0", false);
    REQUIRE(now_a);
    CHECK(now_a->ifindex == c->ifindex);
    CHECK(id_of_link(pin_a) == link_c);
    CHECK(id_of_link(pin_c) == link_a); // the other one lost its filter at no moment
    for (const char* name : {"a0", "c0"})
        CHECK(query(directory, name).ours);
    CHECK(filter.is_attached(*now_a));
    CHECK_FALSE(filter.is_attached(*c)); // it is attached, but what is known of it is of the other interface
    const auto now_c = filter.attach("c0", false);
    REQUIRE(now_c);
    CHECK(now_c->ifindex == a->ifindex);
    CHECK(id_of_link(pin_c) == link_a);
    CHECK(filter.is_attached(*now_c));
}

TEST_CASE("a name that somebody else has now is not ours") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    const auto at = filter.attach("a0", false);
    REQUIRE(at);
    sh("ip link set a0 name a1 && ip link add a0 type veth peer name c0");
    CHECK_FALSE(filter.is_attached(*at));
    const auto anew = filter.attach("a0", false);
    REQUIRE(anew);
    CHECK(anew->ifindex == xdp::index_of_interface("a0"));
    CHECK(filter.is_attached(*anew));
}

TEST_CASE("links of interfaces that are not named go, and the others stay") {
    const OwnNetwork network(std::string(kVeth) + " && ip link add a.1 type veth peer name b.1");
    const PinDirectory directory;
    auto filter = directory.load();
    for (const char* name : {"a0", "b0", "a.1"})
        REQUIRE(filter.attach(name, false));
    filter.detach_others({"a0", "a.1"});
    CHECK(query(directory, "a0").ours);
    CHECK(query(directory, "a.1").ours);
    CHECK(query(directory, "b0").program == 0);
    CHECK_FALSE(fs::exists(xdp::pin_of_link(directory.pins(), "b0")));
    filter.detach_others({});
    CHECK(query(directory, "a0").program == 0);
    CHECK_FALSE(xdp::Filter::has_links(directory.pins()));
}

TEST_CASE("with the pins the filter goes, of a dry run too") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    const std::string dry = xdp::Filter::pins_of_dry_run(directory.pins());
    auto filter = directory.load();
    REQUIRE(filter.attach("a0", false));
    auto rehearsal = directory.load(test::settings(), dry);
    REQUIRE(rehearsal.attach("b0", false));
    xdp::Filter::remove_dry_run(directory.pins());
    CHECK(query(directory, "b0").program == 0);
    CHECK_FALSE(fs::exists(dry));
    CHECK(query(directory, "a0").ours);
    auto again = directory.load(test::settings(), dry);
    REQUIRE(again.attach("b0", false));
    REQUIRE(xdp::Filter::remove_pins(directory.pins()));
    for (const char* name : {"a0", "b0"})
        CHECK(query(directory, name).program == 0);
    CHECK(fs::is_empty(directory.pins()));
}
