import Foundation

/// One session.
public final class Session: Base, Closer {
    static let limit = 16
    var name: String

    init(name: String) {
        self.name = name
    }

    // Closes it.
    func close() throws {
        pool.release(self)
    }

    var label: String {
        return name.uppercased()
    }

    deinit {
        close()
    }
}

protocol Closer {
    func close() throws
}

struct Point {
    let x: Int
}

enum State {
    case open
    case closed(Reason)
}

extension Session: Equatable {
    static func == (a: Session, b: Session) -> Bool {
        return a.name == b.name
    }
}

typealias Ids = [Int]

let version = "1"

func openSession<T: Closer>(_ id: T) -> Session {
    return Session(name: "\(id)")
}

actor Worker {
    func run() async {}
}
