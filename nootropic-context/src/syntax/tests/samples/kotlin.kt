package com.example.sessions

import java.util.UUID
import com.example.store.Environment as Env

const val LIMIT = 16

/** One session. */
@Serializable
data class Session(val id: UUID, var name: String) : Base(), Closer {
    // Closes it.
    override fun close() {
        pool.release(this)
    }

    val label: String
        get() = name.uppercase()

    companion object {
        fun open(id: UUID): Session = Session(id, "x")
    }
}

interface Closer {
    fun close()
}

object Pool {
    val size = 3
}

enum class State {
    OPEN,
    CLOSED,
}

typealias Ids = List<UUID>

fun String.shout(): String {
    return helper(this)
}

sealed class Shape {
    class Circle(val r: Int) : Shape()
}
