"""A little text of our own to train the test tokenizers on."""

SENTENCES = [
    "The harbour was quiet when the small boat came home with its lamp still burning.",
    "She counted the apples twice, wrote 42 in the book, and closed it with a smile.",
    "Don't worry: it's only rain, and rain doesn't last. We're nearly there!",
    "How many stones make a wall? Ask the builder, not the wall.",
    "def area(width, height):\n    return width * height  # square metres\n",
    "Reading, writing, listening; walking and sleeping -- the day was full.",
    "Der Müller trägt das Mehl über die Brücke; die Straße ist naß.",
    "Le garçon où naît l'été mange une crème brûlée à la fenêtre.",
    "El niño corrió hacia la montaña. ¿Quién lo vio? ¡Nadie!",
    "Маленькая лодка вернулась домой, и лампа ещё горела.",
    "小船回到港口的时候，港口很安静。今天的天气很好，我们去公园散步。",
    "请问这本书多少钱？你好，世界！我是一个学生。问：答：",
    "港の小さな船が帰ってきた。ありがとうございます。",
    "작은 배가 항구로 돌아왔다. 안녕하세요.",
    "عاد القارب الصغير إلى الميناء. שלום עולם.",
    "छोटी नाव घर लौट आई। धन्यवाद।",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
    "0 1 2 3 4 5 6 7 8 9 + - * / = < > [ ] ( ) { } | _ \\ ~ ^ % $ # @ & ' \" ` : ; , . ! ?",
]
